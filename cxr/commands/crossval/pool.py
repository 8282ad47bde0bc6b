"""Scores of all folds together. Each image was tested once, by a network that never saw it."""

from typing import Any

import numpy as np
import pandas as pd

from cxr.commands.paired import run_scores
from cxr.commands.revisions import Run
from cxr.metrics.bootstrap import nan_to_none
from cxr.metrics.classification import confusion_matrices
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
    """
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
