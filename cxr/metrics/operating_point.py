"""What a threshold that was chosen on validation gives on test, for the class not to be missed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr.metrics import bootstrap
from cxr.metrics.bootstrap import defined
from cxr.metrics.classification import Floats, Labels, confusion, rates
from cxr.pipeline.params import Evaluate

RATES = ("sensitivity", "specificity", "ppv", "npv")


def positive_class(wanted: list[str], classes: list[str]) -> str | None:
    """The first of the wanted names that is a class, in upper or lower case; None if none is."""
    known = {name.casefold(): name for name in classes}
    return next((known[name.casefold()] for name in wanted if name.casefold() in known), None)


def scores(
    positive: NDArray[np.bool_], called: NDArray[np.bool_], weights: Floats | None = None
) -> dict[str, Floats]:
    """Sensitivity, specificity and predictive values of calling images positive.

    Args:
        positive, called: (N,), whether an image is positive, and is called so.
        weights: (R, N); one row of ones if not given.

    Returns:
        (R,) for each, NaN where it is undefined.
    """
    matrix = confusion(positive.astype(np.int64), called.astype(np.int64), 2, weights)
    found = rates(matrix)
    return {name: found[name][:, 1] for name in RATES}


def intervals(
    positive: NDArray[np.bool_],
    called: NDArray[np.bool_],
    groups: NDArray[np.str_],
    settings: Evaluate,
) -> dict[str, Floats]:
    """Low and high end of each of the `scores`, (2,)."""
    ends = bootstrap.intervals(lambda weights: scores(positive, called, weights), groups, settings)
    return {
        name: bootstrap.widened(ends[name], len(np.unique(groups[counted])), settings.confidence)
        for name, counted in shares_of(positive, called).items()
    }


def shares_of(
    positive: NDArray[np.bool_], called: NDArray[np.bool_]
) -> dict[str, NDArray[np.bool_]]:
    """Which images each of the `scores` is a share of."""
    return dict(zip(RATES, (positive, ~positive, called, ~called), strict=True))


def decisions(probabilities: Floats, number: int, threshold: float) -> Labels:
    """The class that is called: the positive one from its threshold on, else the best other.

    Args:
        probabilities: (N, K).
        number: of the positive class.

    Returns:
        (N,), numbers of classes.
    """
    others = probabilities.copy()
    others[:, number] = -1
    called: Labels = np.where(
        probabilities[:, number] >= threshold, number, others.argmax(1)
    ).astype(np.int64)
    return called


def summary(actual: Labels, probabilities: Floats, number: int, threshold: float) -> dict[str, Any]:
    """The rates at the threshold, and those of calling the most probable class instead."""
    positive = actual == number
    at_threshold = scores(positive, probabilities[:, number] >= threshold)
    most_probable = scores(positive, probabilities.argmax(1) == number)
    called = decisions(probabilities, number, threshold)
    matrix = confusion(actual, called, probabilities.shape[1])
    recalls = rates(matrix)["sensitivity"]
    return {
        **{name: defined(values[0]) for name, values in at_threshold.items()},
        "balanced_accuracy": float(np.nanmean(recalls)),
        "most_probable": {name: defined(most_probable[name][0]) for name in RATES[:2]},
    }
