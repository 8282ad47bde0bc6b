"""The settings of this run, as rows of a table."""

from pathlib import Path
from typing import Any

from flatten_dict import flatten

from cxr.pipeline.params import Params
from stages.report.formatting import setting


def setting_rows(params: Params, architecture: str) -> list[tuple[str, str]]:
    """Key and value of every setting that can change a result.

    Args:
        architecture: a key of `params.architectures`.
    """
    everything = params.model_dump()
    sections = ("prepare", "dedupe", "split", "train", "evaluate", "gradcam")
    recipe = everything["recipes"][params.recipe]
    # Folders differ from machine to machine.
    if not recipe["weights"].startswith("hf-hub:"):
        recipe["weights"] = Path(recipe["weights"]).name
    selected: dict[str, Any] = {"dataset": params.dataset}
    if params.dataset == "phantom":
        selected["phantom"] = everything["phantom"]
    if params.dataset == "union":
        selected["union.datasets"] = params.union.datasets
    selected |= {name: everything[name] for name in sections}
    selected["gradcam"].pop("novel", None)
    selected[f"recipes.{params.recipe}"] = recipe
    selected[f"architectures.{architecture}"] = everything["architectures"][architecture]
    flat = flatten(selected, "dot", keep_empty_types=(dict,))
    return [(key, setting(value)) for key, value in flat.items()]
