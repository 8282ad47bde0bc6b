"""The settings that these results were made with, as lines of a table."""

from pathlib import Path
from typing import Any

from flatten_dict import flatten

from cxr.pipeline.params import Params
from stages.report.wording import setting


def lines(params: Params, model: str) -> list[tuple[str, str]]:
    """Key and value of every setting that a stage used, but for where files are and what fetches.

    Args:
        model: a name in `params.architectures`.
    """
    everything = params.model_dump()
    sections = ("prepare", "dedupe", "split", "train", "evaluate", "gradcam")
    chosen: dict[str, Any] = {"dataset": params.dataset}
    if params.dataset == "phantom":
        chosen["phantom"] = everything["phantom"]
    if params.dataset == "union":
        chosen["union.datasets"] = params.union.datasets
    chosen |= {name: everything[name] for name in sections}
    # Where files lie is of this machine.
    chosen["train"]["weights"] = Path(params.train.weights).name
    chosen["gradcam"].pop("novel", None)
    chosen[f"architectures.{model}"] = everything["architectures"][model]
    flat = flatten(chosen, "dot", keep_empty_types=(dict,))
    return [(key, setting(value)) for key, value in flat.items()]
