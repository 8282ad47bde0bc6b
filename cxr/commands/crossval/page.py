"""The pooled scores as files: JSON, a table of predictions, a picture, and a page of both."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxr.commands.revisions import Run
from cxr.pipeline.files import atomic_write, write_json
from cxr.pipeline.tables import write_csv
from stages.evaluate.plots import draw_confusion_matrix
from stages.report.embed import embed_image
from stages.report.render import environment


def write_results(
    folder: Path, runs: list[Run], result: dict[str, Any], changes: list[str]
) -> None:
    """Write crossval.json, predictions.csv, confusion.png and index.html into a folder.

    Other files there stay.

    Args:
        runs: one for each fold.
        result: what `pool` returns.
        changes: the settings that were changed.
    """
    write_json(folder / "crossval.json", result)
    write_csv(folder / "predictions.csv", predictions(runs))
    actual = np.concatenate([run.actual for run in runs])
    predicted = np.concatenate([run.probs.argmax(1) for run in runs])
    draw_confusion_matrix(folder, actual, predicted, runs[0].classes)
    page = render(result, folder / "confusion.png", runs, changes)
    with atomic_write(folder / "index.html") as part:
        part.write_text(page, encoding="utf-8")


def predictions(runs: list[Run]) -> pd.DataFrame:
    """A row for each image: the fold that tested it, its class and the probabilities."""
    return pd.concat(
        [
            pd.concat(
                [
                    run.test[["image", "target", "split_group"]].assign(fold=fold),
                    pd.DataFrame(run.probs, columns=[f"p_{name}" for name in run.classes]),
                ],
                axis=1,
            )
            for fold, run in enumerate(runs)
        ]
    ).sort_values("image")


def render(result: dict[str, Any], picture: Path, runs: list[Run], changes: list[str]) -> str:
    """The page as HTML, in the style of the report."""
    templates = environment(Path(__file__).parent)
    return templates.get_template("page.html").render(
        result=result,
        confusion=embed_image(picture),
        dataset=runs[0].settings["dataset"],
        model=runs[0].settings["model"],
        confidence=runs[0].settings["evaluate.confidence"],
        resamples=runs[0].settings["evaluate.resamples"],
        changes=changes,
    )
