"""The scores of the test images with their intervals: all of them, and the headline."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr.metrics.bootstrap import (
    bootstrap_intervals,
    exact_if_degenerate,
    interval_to_json,
    nan_to_none,
)
from cxr.metrics.calibration_error import calibration_scores
from cxr.metrics.classification import (
    Floats,
    Labels,
    class_scores,
    confusion_matrices,
    correct_interval,
    effective_groups,
    headline_scores,
    macro_average,
    nan_mean,
    rates_from_confusion,
)
from cxr.metrics.operating_point import (
    OperatingPoint,
    binary_rate_intervals,
    binary_rates,
    denominators,
)
from cxr.pipeline.params import Evaluate

Json = dict[str, Any]

HEADLINE = ("macro_f1", "auroc", "average_precision", "mcc", "brier", "ece")


def overall_and_class_metrics(
    actual: Labels,
    probs: Floats,
    groups: NDArray[np.str_],
    classes: list[str],
    settings: Evaluate,
) -> tuple[Json, Json]:
    """All scores of the test images with their intervals, in one pass over the resamples.

    Args:
        actual: (N,), class indices.
        probs: (N, K).
        groups: (N,).

    Returns:
        the overall scores and their `interval`; and for each class its scores and `interval`.
    """

    def overall(weights: Floats | None, by_class: dict[str, Floats]) -> dict[str, Floats]:
        scores = headline_scores(actual, probs, weights, by_class)
        return scores | calibration_scores(actual, probs, weights)

    def statistics(weights: Floats) -> dict[str, Floats]:
        by_class = class_scores(actual, probs, weights)
        prefixed = {f"class/{score}": values for score, values in by_class.items()}
        return overall(weights, by_class) | prefixed

    intervals = bootstrap_intervals(statistics, groups, settings)
    by_class = class_scores(actual, probs)
    metrics: Json = {
        score: nan_to_none(values[0]) for score, values in overall(None, by_class).items()
    }
    group_counts = effective_groups(actual, groups)
    metrics["interval"] = {
        score: interval_to_json(
            correct_interval(score, intervals[score], value, group_counts, settings.confidence)
        )
        for score, value in metrics.items()
    }
    class_metrics = {}
    for index, name in enumerate(classes):
        support = actual == index
        # The images that each score is a share of, or ranks.
        counted = denominators(support, probs.argmax(1) == index)
        counted |= dict.fromkeys(("f1", "auroc", "average_precision"), support)
        class_metrics[name] = {
            **{score: nan_to_none(values[0, index]) for score, values in by_class.items()},
            "support": int(by_class["support"][0, index]),
            "interval": {
                score: interval_to_json(
                    exact_if_degenerate(
                        intervals[f"class/{score}"][:, index],
                        len(np.unique(groups[counted[score]])),
                        settings.confidence,
                    )
                )
                for score in by_class
                if score != "support"
            },
        }
    return metrics, class_metrics


def headline(overall: Json, at_point: Json | None) -> Json:
    """The scores of metrics/test.json: the same keys for every network and data set.

    Args:
        overall: scores and `interval`, from `overall_and_class_metrics`.
        at_point: from `operating_point_metrics`.
    """
    interval = overall["interval"]["balanced_accuracy"]
    return {
        "accuracy": overall["accuracy"],
        "balanced_accuracy": overall["balanced_accuracy"],
        "balanced_accuracy_low": interval["low"],
        "balanced_accuracy_high": interval["high"],
        **{name: overall[name] for name in HEADLINE},
        **{rate: at_point and at_point[rate] for rate in ("sensitivity", "specificity")},
    }


def macro_metrics(actual: Labels, probs: Floats) -> Json:
    """Means over the classes; see `cxr.metrics.classification.macro_average`."""
    means = macro_average(class_scores(actual, probs))
    return {score: nan_to_none(values[0]) for score, values in means.items()}


def calibration_metrics(actual: Labels, uncalibrated: Floats, temperature: float) -> Json:
    """The temperature, and the Brier score and ECE before temperature scaling."""
    before = calibration_scores(actual, uncalibrated)
    return {
        "temperature": temperature,
        "before": {score: float(values[0]) for score, values in before.items()},
    }


def operating_point_metrics(
    actual: Labels,
    probs: Floats,
    groups: NDArray[np.str_],
    point: OperatingPoint | None,
    settings: Evaluate,
) -> Json | None:
    """The result on test images of the threshold that was chosen on validation images.

    Returns:
        None without an operating point. Else the point itself; sensitivity, specificity and
        predictive values with their `interval`; the `balanced_accuracy` of its decisions over all
        classes; and in `argmax`, for comparison, sensitivity and specificity where the most
        probable class is predicted.
    """
    if point is None:
        return None
    positive, predicted = actual == point.class_index, point.is_positive(probs)
    rates = binary_rates(positive, predicted)
    argmax_rates = binary_rates(positive, probs.argmax(1) == point.class_index)
    decisions = point.apply_threshold(probs)
    matrices = confusion_matrices(actual, decisions, probs.shape[1])
    recalls = rates_from_confusion(matrices)["sensitivity"]
    intervals = binary_rate_intervals(positive, predicted, groups, settings)
    return {
        "positive_class": point.positive_class,
        "target_sensitivity": point.target_sensitivity,
        "threshold": point.threshold,
        "validation_images": point.validation_images,
        **{rate: nan_to_none(values[0]) for rate, values in rates.items()},
        "balanced_accuracy": float(nan_mean(recalls)[0]),
        "argmax": {
            rate: nan_to_none(argmax_rates[rate][0]) for rate in ("sensitivity", "specificity")
        },
        "interval": {rate: interval_to_json(interval) for rate, interval in intervals.items()},
    }
