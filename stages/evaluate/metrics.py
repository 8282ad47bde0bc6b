"""The numbers of the metrics files: scores beside their intervals, by name, ready for JSON."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr.metrics import bootstrap, calibration_error, classification
from cxr.metrics import operating_point as operating
from cxr.metrics.bootstrap import defined, interval
from cxr.metrics.classification import Floats, Labels
from cxr.models.calibration import threshold
from cxr.models.info import ModelInfo
from cxr.pipeline.params import Evaluate

Report = dict[str, Any]


def measure(
    actual: Labels,
    probabilities: Floats,
    groups: NDArray[np.str_],
    classes: list[str],
    settings: Evaluate,
) -> tuple[Report, Report]:
    """All scores of the test images, in one pass over the resamples.

    Args:
        actual: (N,), numbers of classes.
        probabilities: (N, K).
        groups: (N,).

    Returns:
        the headline with its `interval`s; and for each class its scores and `interval`s.
    """

    def headline(weights: Floats | None, by_class: dict[str, Floats]) -> dict[str, Floats]:
        found = classification.headline(actual, probabilities, weights, by_class)
        return found | calibration_error.scores(actual, probabilities, weights)

    def statistics(weights: Floats) -> dict[str, Floats]:
        by_class = classification.by_class(actual, probabilities, weights)
        of_classes = {f"class/{name}": values for name, values in by_class.items()}
        return headline(weights, by_class) | of_classes

    ends = bootstrap.intervals(statistics, groups, settings)
    by_class = classification.by_class(actual, probabilities)
    summary: Report = {
        name: defined(values[0]) for name, values in headline(None, by_class).items()
    }
    amounts = classification.groups_of_shares(actual, groups)
    summary["interval"] = {
        name: interval(
            classification.corrected(name, ends[name], value, amounts, settings.confidence)
        )
        for name, value in summary.items()
    }
    predicted = probabilities.argmax(1)
    table = {}
    for number, name in enumerate(classes):
        of_class = {score: ends[f"class/{score}"][:, number] for score in by_class}
        del of_class["support"]
        mine = actual == number
        shares = operating.shares_of(mine, predicted == number)
        for score in ("f1", "auroc", "average_precision"):
            shares[score] = mine
        for score, counted in shares.items():
            of_groups = len(np.unique(groups[counted]))
            of_class[score] = bootstrap.widened(of_class[score], of_groups, settings.confidence)
        table[name] = {
            **{score: defined(values[0, number]) for score, values in by_class.items()},
            "support": int(by_class["support"][0, number]),
            "interval": {score: interval(values) for score, values in of_class.items()},
        }
    return summary, table


def macro(actual: Labels, probabilities: Floats) -> Report:
    """Means over the classes; see `cxr.metrics.classification.macro`."""
    found = classification.macro(classification.by_class(actual, probabilities))
    return {name: defined(values[0]) for name, values in found.items()}


def calibration(actual: Labels, uncalibrated: Floats, temperature: float) -> Report:
    """The temperature, and what the headline's Brier score and ECE would be without it."""
    before = calibration_error.scores(actual, uncalibrated)
    return {
        "temperature": temperature,
        "before": {name: float(values[0]) for name, values in before.items()},
    }


def operating_point(
    actual: Labels,
    probabilities: Floats,
    groups: NDArray[np.str_],
    info: ModelInfo,
    settings: Evaluate,
) -> Report | None:
    """What the threshold that validation gives for `evaluate.sensitivity` does on test.

    Returns:
        None if no name of `evaluate.positive` is a class, or validation has no image of it. Else
        the class, the target, the threshold, the validation images it comes from, sensitivity,
        specificity and predictive values with `interval`s, the balanced accuracy of all classes
        when those below the threshold get the best other class, and in `most_probable` sensitivity
        and specificity without a threshold.
    """
    name = operating.positive_class(settings.positive, info.classes)
    if name is None or not info.validation_probs.get(name):
        why = "no validation images" if name else f"no class {' or '.join(settings.positive)}"
        print(f"no operating point: {why} (evaluate.positive in params.yaml)")
        return None
    number = info.classes.index(name)
    cut = threshold(info.validation_probs[name], settings.sensitivity)
    is_positive, called = actual == number, probabilities[:, number] >= cut
    ends = operating.intervals(is_positive, called, groups, settings)
    return {
        "class": name,
        "target": settings.sensitivity,
        "threshold": cut,
        "validation_images": len(info.validation_probs[name]),
        **operating.summary(actual, probabilities, number, cut),
        "interval": {score: interval(values) for score, values in ends.items()},
    }


def positive(info: ModelInfo, point: Report | None) -> tuple[int, float] | None:
    """Number and threshold of the positive class, if there is an operating point."""
    return None if point is None else (info.classes.index(point["class"]), point["threshold"])
