"""Classification scores, for one weighting of the images or for thousands at once.

`weights` says how often each image counts: ones for the scores themselves, a row for each
resample of a bootstrap. A score is NaN where it is undefined, such as the AUROC of a class
without images; averages over classes are taken over those where the score is defined.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr.metrics import bootstrap

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def groups_of_shares(labels: NDArray[Any], groups: NDArray[np.str_]) -> dict[str, int]:
    """Of how many patients or groups the headline's shares are; see `bootstrap.widened`.

    A mean over the classes is of as many as the rarest class has: that all of its few were found
    says the least.
    """
    fewest = min(len(np.unique(groups[labels == one])) for one in np.unique(labels))
    means = ("balanced_accuracy", "macro_f1", "auroc", "average_precision")
    return {"accuracy": len(np.unique(groups)), **dict.fromkeys(means, fewest)}


def corrected(
    name: str, ends: Floats, value: float, groups: Mapping[str, int], confidence: float
) -> Floats:
    """The interval of a headline score, mended where percentiles alone mislead.

    Args:
        ends: (2,), the percentile interval.
        groups: by score, what `groups_of_shares` gives.
    """
    if name == "ece":
        return bootstrap.reflected(ends, value)
    return bootstrap.widened(ends, groups[name], confidence) if name in groups else ends


def confusion(
    actual: Labels, predicted: Labels, classes: int, weights: Floats | None = None
) -> Floats:
    """Confusion matrices: rows are the actual, columns the predicted class.

    Args:
        actual, predicted: (N,), numbers of classes.
        weights: (R, N); one row of ones if not given.

    Returns:
        (R, classes, classes), sums of weights.
    """
    weights = np.ones((1, len(actual))) if weights is None else weights
    cell = np.eye(classes * classes)[actual * classes + predicted]
    return (weights @ cell).reshape(-1, classes, classes)


def ranks(
    positive: NDArray[np.bool_], score: Floats, weights: Floats
) -> tuple[Floats, Floats, Floats]:
    """Curves of how many images are called when the threshold falls, for each weighting.

    Args:
        positive: (N,), whether an image is of the class.
        score: (N,), the class's probability.
        weights: (R, N).

    Returns:
        for the T different scores from the highest down, (R, T) each: positives at this score,
        and all positives and all negatives from it upwards.
    """
    order = np.argsort(-score, kind="stable")
    score, positive, weights = score[order], positive[order], weights[:, order]
    ties = np.flatnonzero(np.diff(score, prepend=np.inf))
    positives = np.add.reduceat(weights * positive, ties, axis=1)
    negatives = np.add.reduceat(weights * ~positive, ties, axis=1)
    return positives, np.cumsum(positives, axis=1), np.cumsum(negatives, axis=1)


def area_and_precision(
    positive: NDArray[np.bool_], score: Floats, weights: Floats
) -> tuple[Floats, Floats]:
    """Area under the ROC curve, and average precision.

    The area is the share of (positive, negative) pairs in which the positive scores higher, ties
    counting half (the statistic of Mann and Whitney). Average precision is the mean, over the
    positives, of the precision at their score.

    Args:
        positive, score, weights: as for `ranks`.

    Returns:
        (R,) each, NaN where there are no positives (or, for the area, no negatives).
    """
    here, true, false = ranks(positive, score, weights)
    positives, negatives = true[:, -1], false[:, -1]
    # Each positive against the negatives below its score, and half of those at it.
    below = negatives[:, None] - (false + np.pad(false, ((0, 0), (1, 0)))[:, :-1]) / 2
    area = ratio(np.einsum("rt,rt->r", here, below), positives * negatives)
    called = true + false
    precision = np.divide(true, called, out=np.zeros_like(true), where=called > 0)
    return area, ratio(np.einsum("rt,rt->r", here, precision), positives)


def by_class(
    actual: Labels, probabilities: Floats, weights: Floats | None = None
) -> dict[str, Floats]:
    """Scores of each class against the rest; the predicted class is the most probable one.

    Args:
        actual: (N,), numbers of classes.
        probabilities: (N, K).
        weights: (R, N); one row of ones if not given.

    Returns:
        (R, K) for each of sensitivity (recall), specificity, ppv (precision), npv, f1, auroc,
        average_precision and support.
    """
    classes = probabilities.shape[1]
    weights = np.ones((1, len(actual))) if weights is None else weights
    matrix = confusion(actual, probabilities.argmax(1), classes, weights)
    areas = [
        area_and_precision(actual == one, probabilities[:, one], weights) for one in range(classes)
    ]
    return {
        **rates(matrix),
        "auroc": np.stack([area for area, _ in areas], axis=1),
        "average_precision": np.stack([precision for _, precision in areas], axis=1),
        "support": matrix.sum(2),
    }


def rates(matrix: Floats) -> dict[str, Floats]:
    """What confusion matrices (R, K, K) say of each class against the rest, (R, K) each."""
    hits = np.diagonal(matrix, axis1=1, axis2=2)
    support, called = matrix.sum(2), matrix.sum(1)
    total = matrix.sum((1, 2))[:, None]
    rejected = total - support - called + hits
    return {
        "sensitivity": ratio(hits, support),
        "specificity": ratio(rejected, total - support),
        "ppv": ratio(hits, called),
        "npv": ratio(rejected, total - called),
        "f1": ratio(2 * hits, support + called),
    }


def macro(scores: dict[str, Floats]) -> dict[str, Floats]:
    """Means of what `by_class` gives over the classes that have images, (R,) each.

    A class that is never called counts with a predictive value of 0, as in scikit-learn: to leave
    it out would reward not calling it.
    """
    present = scores["support"] > 0
    return {
        name: mean(np.nan_to_num(values) if name in ("ppv", "npv") else values, present)
        for name, values in scores.items()
        if name != "support"
    }


def headline(
    actual: Labels,
    probabilities: Floats,
    weights: Floats | None = None,
    classes: dict[str, Floats] | None = None,
) -> dict[str, Floats]:
    """The scores by which networks are compared.

    Balanced accuracy, macro F1, AUROC and average precision (one class against the rest) are
    means over the classes that have images. `mcc` is Matthews' correlation for many classes
    (Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation
    coefficient").

    Args:
        actual: (N,), numbers of classes.
        probabilities: (N, K).
        weights: (R, N); one row of ones if not given.
        classes: what `by_class` gives of the same, if it is at hand.

    Returns:
        (R,) for each score.
    """
    matrix = confusion(actual, probabilities.argmax(1), probabilities.shape[1], weights)
    means = macro(by_class(actual, probabilities, weights) if classes is None else classes)
    return {
        "accuracy": ratio(np.trace(matrix, axis1=1, axis2=2), matrix.sum((1, 2))),
        "balanced_accuracy": means["sensitivity"],
        "macro_f1": means["f1"],
        "auroc": means["auroc"],
        "average_precision": means["average_precision"],
        "mcc": matthews(matrix),
    }


def matthews(matrix: Floats) -> Floats:
    """Gorodkin's R_K of confusion matrices (R, K, K); 0 where only one class is called."""
    support, called, total = matrix.sum(2), matrix.sum(1), matrix.sum((1, 2))
    agreement = np.trace(matrix, axis1=1, axis2=2) * total - (support * called).sum(1)
    spread = (total**2 - (support**2).sum(1)) * (total**2 - (called**2).sum(1))
    return np.divide(agreement, np.sqrt(spread), out=np.zeros_like(total), where=spread > 0)


def ratio(part: Floats, whole: Floats) -> Floats:
    """`part / whole`, NaN where `whole` is 0."""
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)


def mean(values: Floats, where: NDArray[np.bool_]) -> Floats:
    """Mean over the last axis of the values at `where`; NaN if there are none."""
    return ratio(np.where(where, values, 0).sum(-1), where.sum(-1).astype(np.float64))
