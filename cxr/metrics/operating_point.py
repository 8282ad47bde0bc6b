"""The operating point: a decision threshold for the class that must not be missed.

The threshold is chosen on validation images so that other images are detected with a wanted
sensitivity, by split conformal prediction (Vovk et al. 2005, "Algorithmic Learning in a Random
World"). The highest threshold with that sensitivity on the validation images themselves would miss
more of the others, above all if there were few.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxr.metrics.bootstrap import bootstrap_intervals, exact_if_degenerate
from cxr.metrics.classification import Floats, Labels, confusion_matrices, rates_from_confusion
from cxr.pipeline.params import Evaluate

RATES = ("sensitivity", "specificity", "ppv", "npv")


@dataclass(frozen=True)
class OperatingPoint:
    """The threshold from which on an image is assigned to the positive class.

    Attributes:
        positive_class: the class that must not be missed.
        class_index: index of that class.
        target_sensitivity: share of its images that must be detected.
        threshold: of its probability; at or above it, an image is positive.
        validation_images: number of validation images that the threshold was chosen on.
    """

    positive_class: str
    class_index: int
    target_sensitivity: float
    threshold: float
    validation_images: int

    def is_positive(self, probs: Floats) -> NDArray[np.bool_]:
        """Whether images with these probabilities (N, K) reach the threshold, (N,)."""
        return probs[:, self.class_index] >= self.threshold

    def apply_threshold(self, probs: Floats) -> Labels:
        """The positive class where its threshold is reached, else the most probable other class.

        Args:
            probs: (N, K).

        Returns:
            (N,), class indices.
        """
        others = probs.copy()
        others[:, self.class_index] = -1
        decisions: Labels = np.where(
            self.is_positive(probs), self.class_index, others.argmax(1)
        ).astype(np.int64)
        return decisions


def choose_operating_point(
    names: Sequence[str],
    sensitivity: float,
    classes: list[str],
    validation_probs: Mapping[str, list[float]],
) -> OperatingPoint | None:
    """Choose the threshold on validation images.

    Args:
        names: candidates for the positive class; see `find_positive_class`.
        sensitivity: the target, in (0, 1].
        validation_probs: for each class its probability in the validation images of that
            class, ascending.

    Returns:
        None if none of the names is a class, or validation has no image of it.
    """
    name = find_positive_class(names, classes)
    if name is None or not validation_probs.get(name):
        return None
    probs = validation_probs[name]
    return OperatingPoint(
        name,
        classes.index(name),
        sensitivity,
        threshold_for_sensitivity(probs, sensitivity),
        len(probs),
    )


def find_positive_class(names: Sequence[str], classes: list[str]) -> str | None:
    """The first of the names that is a class, ignoring case; None if none is."""
    known = {name.casefold(): name for name in classes}
    return next((known[name.casefold()] for name in names if name.casefold() in known), None)


def threshold_for_sensitivity(probs: list[float], sensitivity: float) -> float:
    """The highest threshold that detects a new positive image with at least this probability.

    A new image is equally likely to fall into each of the n + 1 places before, between and after
    n given ones, if they are exchangeable: it is below the m-th lowest with a probability of
    m / (n + 1). Where n is too small for even the lowest, all given images are detected, and
    n / (n + 1) of new ones.

    Args:
        probs: of the positive class, in each image of that class, ascending.
        sensitivity: in (0, 1].
    """
    # The small number: of 19 images at 0.9, one may be missed, although 20 * (1 - 0.9) is below 2.
    rank = math.floor((len(probs) + 1) * (1 - sensitivity) + 1e-9)
    return probs[max(min(rank, len(probs)) - 1, 0)]


def binary_rates(
    positive: NDArray[np.bool_], predicted: NDArray[np.bool_], weights: Floats | None = None
) -> dict[str, Floats]:
    """Sensitivity, specificity and predictive values of a binary decision.

    Args:
        positive, predicted: (N,), whether an image is positive, and is predicted to be.
        weights: (R, N); one row of ones if not given.

    Returns:
        (R,) for each, NaN where it is undefined.
    """
    matrices = confusion_matrices(positive.astype(np.int64), predicted.astype(np.int64), 2, weights)
    rates = rates_from_confusion(matrices)
    return {name: rates[name][:, 1] for name in RATES}


def binary_rate_intervals(
    positive: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    groups: NDArray[np.str_],
    settings: Evaluate,
) -> dict[str, Floats]:
    """The interval (2,) of each of the `binary_rates`."""
    intervals = bootstrap_intervals(
        lambda weights: binary_rates(positive, predicted, weights), groups, settings
    )
    return {
        name: exact_if_degenerate(
            intervals[name], len(np.unique(groups[images])), settings.confidence
        )
        for name, images in denominators(positive, predicted).items()
    }


def denominators(
    positive: NDArray[np.bool_], predicted: NDArray[np.bool_]
) -> dict[str, NDArray[np.bool_]]:
    """The images that each of the `binary_rates` is a share of, (N,) each."""
    return dict(zip(RATES, (positive, ~positive, predicted, ~predicted), strict=True))
