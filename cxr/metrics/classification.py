"""Classification scores, for one weighting of the images or for thousands at once.

`weights` says how often each image counts: ones for the scores themselves, one row for each
bootstrap resample. A score is NaN where it is undefined, such as the AUROC of a class without
images; an average over classes leaves those out.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr.metrics.bootstrap import basic_interval, exact_if_degenerate

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
"""Class indices."""


def headline_scores(
    actual: Labels,
    probs: Floats,
    weights: Floats | None = None,
    classes: dict[str, Floats] | None = None,
) -> dict[str, Floats]:
    """The scores by which networks are compared.

    Balanced accuracy, macro F1, AUROC and average precision (one-vs-rest) are means over the
    classes that have images. `mcc` is the multi-class Matthews correlation coefficient (Gorodkin
    2004, "Comparing two K-category assignments by a K-category correlation coefficient").

    Args:
        actual: (N,), class indices.
        probs: (N, K).
        weights: (R, N); one row of ones if not given.
        classes: the `class_scores` of the same arguments, where already computed.

    Returns:
        (R,) for each score.
    """
    predicted = probs.argmax(1)
    matrices = confusion_matrices(actual, predicted, probs.shape[1], weights)
    means = macro_average(class_scores(actual, probs, weights) if classes is None else classes)
    return {
        "accuracy": accuracy(matrices),
        "balanced_accuracy": means["sensitivity"],
        "macro_f1": means["f1"],
        "auroc": means["auroc"],
        "average_precision": means["average_precision"],
        "mcc": matthews_corrcoef(matrices),
    }


def class_scores(actual: Labels, probs: Floats, weights: Floats | None = None) -> dict[str, Floats]:
    """One-vs-rest scores of each class; the predicted class is the most probable one.

    Args:
        actual: (N,), class indices.
        probs: (N, K).
        weights: (R, N); one row of ones if not given.

    Returns:
        (R, K) for each of sensitivity (recall), specificity, ppv (precision), npv, f1, auroc,
        average_precision and support.
    """
    classes = probs.shape[1]
    weights = np.ones((1, len(actual))) if weights is None else weights
    matrices = confusion_matrices(actual, probs.argmax(1), classes, weights)
    curve_scores = [
        auroc_and_ap(actual == index, probs[:, index], weights) for index in range(classes)
    ]
    return {
        **rates_from_confusion(matrices),
        "auroc": np.stack([auroc for auroc, _ in curve_scores], axis=1),
        "average_precision": np.stack([precision for _, precision in curve_scores], axis=1),
        "support": matrices.sum(2),
    }


def macro_average(scores: dict[str, Floats]) -> dict[str, Floats]:
    """Means of `class_scores` over the classes that have images, (R,) each.

    As in scikit-learn, a class that is never predicted counts with a predictive value of 0:
    leaving it out would reward never predicting it.
    """
    present = scores["support"] > 0
    return {
        name: nan_mean(
            np.where(present, np.nan_to_num(values) if name in ("ppv", "npv") else values, np.nan)
        )
        for name, values in scores.items()
        if name != "support"
    }


def confusion_matrices(
    actual: Labels, predicted: Labels, classes: int, weights: Floats | None = None
) -> Floats:
    """Confusion matrices: rows are the actual, columns the predicted class.

    Args:
        actual, predicted: (N,), class indices.
        weights: (R, N); one row of ones if not given.

    Returns:
        (R, classes, classes), sums of weights.
    """
    weights = np.ones((1, len(actual))) if weights is None else weights
    cell = np.eye(classes * classes)[actual * classes + predicted]
    return (weights @ cell).reshape(-1, classes, classes)


def rates_from_confusion(matrices: Floats) -> dict[str, Floats]:
    """One-vs-rest rates of each class from confusion matrices (R, K, K), (R, K) each."""
    true_positives = np.diagonal(matrices, axis1=1, axis2=2)
    support, predicted = matrices.sum(2), matrices.sum(1)
    total = matrices.sum((1, 2))[:, None]
    true_negatives = total - support - predicted + true_positives
    return {
        "sensitivity": safe_divide(true_positives, support),
        "specificity": safe_divide(true_negatives, total - support),
        "ppv": safe_divide(true_positives, predicted),
        "npv": safe_divide(true_negatives, total - predicted),
        "f1": safe_divide(2 * true_positives, support + predicted),
    }


def accuracy(matrices: Floats) -> Floats:
    """Accuracy from confusion matrices (R, K, K), (R,)."""
    return safe_divide(np.trace(matrices, axis1=1, axis2=2), matrices.sum((1, 2)))


def matthews_corrcoef(matrices: Floats) -> Floats:
    """Gorodkin's R_K from confusion matrices (R, K, K), (R,); 0 if all predictions are equal."""
    support, predicted, total = matrices.sum(2), matrices.sum(1), matrices.sum((1, 2))
    covariance = np.trace(matrices, axis1=1, axis2=2) * total - (support * predicted).sum(1)
    variances = (total**2 - (support**2).sum(1)) * (total**2 - (predicted**2).sum(1))
    return np.divide(covariance, np.sqrt(variances), out=np.zeros_like(total), where=variances > 0)


def auroc_and_ap(
    positive: NDArray[np.bool_], score: Floats, weights: Floats
) -> tuple[Floats, Floats]:
    """Area under the ROC curve, and average precision.

    The area is the share of (positive, negative) pairs in which the positive scores higher, ties
    counting half (the Mann-Whitney statistic). Average precision is the mean, over the positives,
    of the precision at their score.

    Args:
        positive, score, weights: as for `cumulative_counts`.

    Returns:
        (R,) each, NaN where there are no positives (or, for the area, no negatives).
    """
    positives_here, true_positives, false_positives = cumulative_counts(positive, score, weights)
    positives, negatives = true_positives[:, -1], false_positives[:, -1]
    # Each positive against the negatives below its score, and half of those at it.
    above = np.pad(false_positives, ((0, 0), (1, 0)))[:, :-1]
    below = negatives[:, None] - (false_positives + above) / 2
    auroc = safe_divide(np.einsum("rt,rt->r", positives_here, below), positives * negatives)
    predicted = true_positives + false_positives
    precision = np.divide(
        true_positives, predicted, out=np.zeros_like(true_positives), where=predicted > 0
    )
    return auroc, safe_divide(np.einsum("rt,rt->r", positives_here, precision), positives)


def cumulative_counts(
    positive: NDArray[np.bool_], score: Floats, weights: Floats
) -> tuple[Floats, Floats, Floats]:
    """True and false positives as the threshold falls, for each weighting.

    Args:
        positive: (N,), whether an image is of the class.
        score: (N,), the probability of the class.
        weights: (R, N).

    Returns:
        for the T distinct scores in descending order, (R, T) each: positives with exactly this
        score, and positives and negatives with at least this score.
    """
    order = np.argsort(-score, kind="stable")
    score, positive, weights = score[order], positive[order], weights[:, order]
    ties = np.flatnonzero(np.diff(score, prepend=np.inf))
    positives = np.add.reduceat(weights * positive, ties, axis=1)
    negatives = np.add.reduceat(weights * ~positive, ties, axis=1)
    return positives, np.cumsum(positives, axis=1), np.cumsum(negatives, axis=1)


def effective_groups(labels: NDArray[Any], groups: NDArray[np.str_]) -> dict[str, int]:
    """Number of groups that each headline score is a share of; see `exact_if_degenerate`.

    A mean over classes has as many as its rarest class, which is the least certain one.
    """
    fewest = min(len(np.unique(groups[labels == label])) for label in np.unique(labels))
    means = ("balanced_accuracy", "macro_f1", "auroc", "average_precision")
    return {"accuracy": len(np.unique(groups)), **dict.fromkeys(means, fewest)}


def correct_interval(
    name: str, interval: Floats, estimate: float, groups: Mapping[str, int], confidence: float
) -> Floats:
    """The interval of a headline score, corrected where percentiles alone mislead.

    Args:
        interval: (2,), the percentile interval.
        groups: the `effective_groups` of each score.
    """
    if name == "ece":
        return basic_interval(interval, estimate)
    return exact_if_degenerate(interval, groups[name], confidence) if name in groups else interval


def safe_divide(numerator: Floats, denominator: Floats) -> Floats:
    """The quotient, NaN where the denominator is 0."""
    out = np.full_like(denominator, np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)


def nan_mean(values: Floats, axis: int = -1) -> Floats:
    """Mean of the values that are not NaN; NaN, without a warning, where there are none."""
    known = ~np.isnan(values)
    return safe_divide(np.where(known, values, 0).sum(axis), known.sum(axis).astype(np.float64))
