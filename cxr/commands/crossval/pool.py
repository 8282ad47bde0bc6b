"""Scores of all folds together. Each image was tested once, by a network that never saw it."""

from typing import Any

import numpy as np
import pandas as pd

from cxr.commands.paired import run_scores
from cxr.commands.revisions import Run
from cxr.metrics.bootstrap import nan_to_none
from cxr.metrics.classification import confusion_matrices
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import Evaluate
from stages.evaluate.metrics import overall_and_class_metrics

Json = dict[str, Any]


def pool(runs: list[Run]) -> Json:
    """Score the test images of all folds as one test set, and each fold on its own.

    The probabilities are those of each fold's network, calibrated on its own validation images.
    The settings, such as the confidence of the intervals, are those of the folds too.

    Args:
        runs: one for each fold.

    Returns:
        `images`, `groups` (patients or single images), the pooled scores with their `interval`,
        those of each `class`, the `confusion` matrix ({actual: {predicted: images}}), `fold` (a
        list of scores), and `mean_over_folds` and `sd_over_folds` of each score. None where
        undefined.

    Raises:
        UserError: if the folds do not have the same classes, or share test images.
    """
    check_folds(runs)
    classes, settings = runs[0].classes, evaluate_settings(runs[0])
    actual = np.concatenate([run.actual for run in runs])
    probs = np.concatenate([run.probs for run in runs])
    groups = pd.concat([run.test for run in runs])["split_group"].to_numpy(str)
    overall, by_class = overall_and_class_metrics(actual, probs, groups, classes, settings)
    counts = confusion_matrices(actual, probs.argmax(1), len(classes))[0].astype(int)
    folds = pd.DataFrame(
        [{name: values[0] for name, values in run_scores(run, settings).items()} for run in runs]
    )
    return {
        "images": len(actual),
        "groups": len(np.unique(groups)),
        **overall,
        "class": by_class,
        "confusion": {
            name: dict(zip(classes, row.tolist(), strict=True))
            for name, row in zip(classes, counts, strict=True)
        },
        "fold": [
            {"images": len(run.test), **known(scores)}
            for run, (_, scores) in zip(runs, folds.iterrows(), strict=True)
        ],
        "mean_over_folds": known(folds.mean()),
        "sd_over_folds": known(folds.std()),
    }


def check_folds(runs: list[Run]) -> None:
    """Require the same classes in all folds, and no image in two test sets.

    Raises:
        UserError: with the first fold or image for which this is not the case.
    """
    tested: dict[str, int] = {}
    for fold, run in enumerate(runs):
        if run.classes != runs[0].classes:
            raise UserError(
                f"fold {fold} has the classes {', '.join(run.classes)}, fold 0 has "
                f"{', '.join(runs[0].classes)}: decrease split.folds, or add images."
            )
        for image in run.test["image"]:
            if image in tested:
                raise UserError(
                    f"{image} is a test image in fold {tested[image]} and in fold {fold}: this "
                    "data set has a published test set, which stays the same. Set "
                    "split.use_official_split to false, or run one fold with `dvc exp run`."
                )
            tested[image] = fold


def evaluate_settings(run: Run) -> Evaluate:
    """The settings under `evaluate:` that a run was made with."""
    prefix = "evaluate."
    return Evaluate.model_validate(
        {
            key.removeprefix(prefix): value
            for key, value in run.settings.items()
            if key.startswith(prefix)
        }
    )


def known(scores: "pd.Series[float]") -> dict[str, float | None]:
    """The scores by name; None for NaN."""
    return {str(name): nan_to_none(value) for name, value in scores.items()}
