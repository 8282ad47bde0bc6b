"""Classification scores, for one weighting of the images or for thousands at once.

`weights` says how often each image counts: ones for the scores themselves, a row for each
resample of a bootstrap. A score is NaN where it is undefined, such as the AUROC of a class
without images; averages over classes are taken over those where the score is defined.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


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


def auroc(positive: NDArray[np.bool_], score: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve as the rank statistic of Mann and Whitney; ties count half.

    Args:
        positive: (N,), whether an image is of the class.
        score: (N,), the class's probability.
        weights: (R, N).

    Returns:
        (R,): the share of (positive, negative) pairs in which the positive scores higher.
    """
    order = np.argsort(score, kind="stable")
    score, positive, weights = score[order], positive[order], weights[:, order]
    ties = np.flatnonzero(np.diff(score, prepend=-np.inf))
    positives = np.add.reduceat(weights * positive, ties, axis=1)
    negatives = np.add.reduceat(weights, ties, axis=1) - positives
    outranked = np.cumsum(negatives, axis=1) - negatives / 2
    won = np.einsum("rt,rt->r", positives, outranked)
    return ratio(won, positives.sum(1) * negatives.sum(1))


def by_class(
    actual: Labels, probabilities: Floats, weights: Floats | None = None
) -> dict[str, Floats]:
    """Scores of each class against the rest; the predicted class is the most probable one.

    Args:
        actual: (N,), numbers of classes.
        probabilities: (N, K).
        weights: (R, N); one row of ones if not given.

    Returns:
        (R, K) for each of precision, recall, f1, auroc and support.
    """
    classes = probabilities.shape[1]
    weights = np.ones((1, len(actual))) if weights is None else weights
    matrix = confusion(actual, probabilities.argmax(1), classes, weights)
    hits = np.diagonal(matrix, axis1=1, axis2=2)
    support, called = matrix.sum(2), matrix.sum(1)
    areas = [auroc(actual == one, probabilities[:, one], weights) for one in range(classes)]
    return {
        "precision": ratio(hits, called),
        "recall": ratio(hits, support),
        "f1": ratio(2 * hits, support + called),
        "auroc": np.stack(areas, axis=1),
        "support": support,
    }


def headline(
    actual: Labels, probabilities: Floats, weights: Floats | None = None
) -> dict[str, Floats]:
    """The scores by which networks are compared.

    Balanced accuracy, macro F1 and AUROC (one class against the rest) are means over the classes
    that have images. `mcc` is Matthews' correlation for many classes (Gorodkin 2004, "Comparing
    two K-category assignments by a K-category correlation coefficient").

    Args:
        actual: (N,), numbers of classes.
        probabilities: (N, K).
        weights: (R, N); one row of ones if not given.

    Returns:
        (R,) for each score.
    """
    matrix = confusion(actual, probabilities.argmax(1), probabilities.shape[1], weights)
    scores = by_class(actual, probabilities, weights)
    present = scores["support"] > 0
    return {
        "accuracy": ratio(np.trace(matrix, axis1=1, axis2=2), matrix.sum((1, 2))),
        "balanced_accuracy": mean(scores["recall"], present),
        "macro_f1": mean(scores["f1"], present),
        "auroc": mean(scores["auroc"], present),
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


def defined(value: float) -> float | None:
    """None for NaN, which JSON does not have."""
    return None if np.isnan(value) else float(value)


def class_table(
    actual: Labels, probabilities: Floats, classes: list[str]
) -> dict[str, dict[str, Any]]:
    """The scores of each class by its name, ready for JSON: None where undefined."""
    scores = by_class(actual, probabilities)
    table: dict[str, dict[str, Any]] = {}
    for number, name in enumerate(classes):
        table[name] = {key: defined(values[0, number]) for key, values in scores.items()}
        table[name]["support"] = int(scores["support"][0, number])
    return table
