"""Findings in plain words, for the start of the report: computed from the details of the stages."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from cxr.plotting.display_names import PROBE_NAMES
from stages.report.formatting import interval, is_defined, number, percent, percent_interval

Metrics = dict[str, Any]


class Probe(NamedTuple):
    """A probe of the audit: what it predicts the class from, and what a high score means."""

    input: str
    meaning: str


PROBES = {
    "file": Probe(
        "a classifier that sees file format, colour mode and image size only",
        "file metadata (format, mode, size) predict the classes, so the scores may reflect where "
        "the files come from",
    ),
    "thumbnail": Probe(
        "a classifier that sees the image at 8 × 8 pixels",
        "images of 8 × 8 pixels predict the classes, but are too small to show most signs of "
        "disease",
    ),
    "border": Probe(
        "a classifier that sees the outer tenth of the image only",
        "the outer tenth of the image, where markers and text lie, predicts the classes",
    ),
    "lungs_blanked": Probe(
        "the network on images whose lungs are replaced by grey",
        "the network predicts the classes without seeing the lungs",
    ),
    "lungs_only": Probe(
        "the network on images of which all but the lungs is replaced by grey",
        "the network is no better than chance if it sees the lungs only",
    ),
}

FEW = 10
"""Patients or single images below which a subgroup is too small for a comparison."""


@dataclass(frozen=True)
class Finding:
    """A finding for the reader; `tone` is good, bad or plain."""

    tone: str
    title: str
    text: str


def performance_finding(
    test: Metrics, chance: float | None, confidence: float, units: str
) -> Finding:
    """Whether the balanced accuracy is above chance, by its interval.

    Args:
        units: what the groups of the test images are, such as patients.
    """
    score, ends = test["balanced_accuracy"], test["interval"]["balanced_accuracy"]
    if score is None or chance is None or not is_defined(ends):
        return Finding("plain", "Performance undefined", "There are too few test images.")
    if ends["low"] > chance:
        tone, title = "good", "Better than chance"
    elif ends["high"] < chance:
        tone, title = "bad", "Worse than chance"
    else:
        tone, title = "bad", "Not shown to be better than chance"
    return Finding(
        tone,
        title,
        f"Balanced accuracy {number(score)} ({percent(confidence)} interval {interval(ends)}; "
        f"chance: {number(chance)}). On average over the classes, {percent(score)} of the images "
        f"are classified correctly; with {test['images']} test images of {test['groups']} {units}, "
        f"{percent_interval(ends)} is plausible.",
    )


def weakest_class_finding(by_class: dict[str, Metrics]) -> Finding:
    """The class with the lowest sensitivity."""
    tested = {
        name: metrics for name, metrics in by_class.items() if metrics["sensitivity"] is not None
    }
    if not tested:
        return Finding("plain", "No class was tested", "There are no test images of any class.")
    name = min(tested, key=lambda name: tested[name]["sensitivity"])
    sensitivity = tested[name]["sensitivity"]
    return Finding(
        "bad" if sensitivity == 0 else "plain",
        f"Weakest class: {name}",
        f"{percent(sensitivity)} of its {tested[name]['support']} test images are classified "
        f"correctly (interval {percent_interval(tested[name]['interval']['sensitivity'])}).",
    )


def operating_point_finding(point: Metrics | None, by_class: dict[str, Metrics]) -> Finding:
    """Whether the sensitivity on the test images is below its target, by its interval."""
    if point is None:
        return Finding(
            "plain",
            "No operating point",
            "No name in evaluate.positive_class (params.yaml) is a class of this task, or there "
            "are no validation images of that class.",
        )
    name, target = point["positive_class"], point["target_sensitivity"]
    sensitivity, ends = point["sensitivity"], point["interval"]["sensitivity"]
    if sensitivity is None or point["specificity"] is None:
        return Finding(
            "plain",
            f"Sensitivity to {name}: undefined",
            "There are no positive or no negative test images.",
        )
    # Youden's index: not positive where the threshold does no better than chance.
    useless = sensitivity + point["specificity"] <= 1
    return Finding(
        "bad" if ends["high"] < target or useless else "plain",
        f"Sensitivity to {name}: {percent(sensitivity)} (interval {percent_interval(ends)}), "
        f"target {percent(target)}",
        f"The threshold chosen on {point['validation_images']} validation images detects "
        f"{percent(sensitivity)} of the {by_class[name]['support']} {name} test images. "
        f"{percent(1 - point['specificity'])} of the other test images are false positives.",
    )


def audit_finding(audit: Metrics) -> Finding:
    """Which probes of the shortcut audit are suspicious."""
    run = [name for name in PROBES if audit[name]["images"]]
    suspicious = [name for name in run if audit[name]["suspicious"]]
    skipped = len(PROBES) - len(run)
    note = f" {skipped} of {len(PROBES)} probes were not run: no lung masks." if skipped else ""
    if suspicious:
        meanings = "; ".join(PROBES[name].meaning for name in suspicious)
        return Finding(
            "bad",
            f"Shortcuts: {len(suspicious)} of {len(run)} probes suspicious",
            f"{meanings[0].upper()}{meanings[1:]}. Do not interpret the scores as the ability to "
            f"detect disease.{note}",
        )
    # A high score on the lungs only is no sign of a shortcut.
    strongest = max(
        (name for name in run if name != "lungs_only"), key=lambda name: score(audit[name])
    )
    text = (
        f"The strongest probe is “{PROBE_NAMES[strongest]}”, with a balanced accuracy of "
        f"{number(score(audit[strongest]))} (chance: {number(audit[strongest]['chance'])}, "
        f"network: {number(audit['network']['balanced_accuracy'])}). This is not suspicious by the "
        f"rules of the audit, which cannot rule out shortcuts.{note}"
    )
    rivals = [PROBE_NAMES[name] for name in run if matches_network(audit[name])]
    if rivals:
        return Finding(
            "plain", f"Shortcuts: network not shown to be better than {', '.join(rivals)}", text
        )
    return Finding("good", f"Shortcuts: none of {len(run)} probes suspicious", text)


def matches_network(probe: Metrics) -> bool:
    """Whether a probe is better than chance, and the network is not shown to be better than it."""
    ends, gain = probe["interval"]["balanced_accuracy"], probe["interval"].get("network_gain")
    return (
        is_defined(ends) and is_defined(gain) and ends["low"] > probe["chance"] and gain["low"] <= 0
    )


def score(probe: Metrics) -> float:
    """Balanced accuracy of a probe; 0 if undefined."""
    return float(probe["balanced_accuracy"] or 0)


def calibration_sentence(test: Metrics, confidence: float | None) -> str:
    """Whether the network is over- or underconfident, and whether temperature scaling helped.

    It is if the mean confidence lies outside the interval of the accuracy.

    Args:
        confidence: mean calibrated probability of the predicted class.
    """
    after, before = test["ece"], test["calibration"]["before"]["ece"]
    if after is None or confidence is None or test["accuracy"] is None:
        return "Calibration is undefined on these test images."
    ends = test["interval"]["accuracy"]
    verdict = "there is no clear difference"
    if is_defined(ends) and confidence > ends["high"]:
        verdict = "the network is overconfident"
    elif is_defined(ends) and confidence < ends["low"]:
        verdict = "the network is underconfident"
    effect = "lowered" if after < before else "did not lower"
    return (
        f"The mean confidence is {percent(confidence)}, the accuracy {percent(test['accuracy'])} "
        f"(interval {percent_interval(ends)}): {verdict}. Temperature scaling "
        f"(T = {test['calibration']['temperature']:.2f}, fitted on validation images) {effect} the "
        f"expected calibration error on test images: {number(before)} before, {number(after)} "
        "after."
    )


def baselines(by_class: dict[str, Metrics], chance: float | None) -> dict[str, float | None]:
    """Scores that need no look at the images.

    Accuracy: always predicting the most frequent class. Average precision: the mean share of a
    class. All others: predicting at random.
    """
    support = [metrics["support"] for metrics in by_class.values() if metrics["support"]]
    return {
        "accuracy": max(support) / sum(support) if support else None,
        "balanced_accuracy": chance,
        "auroc": 0.5,
        "average_precision": 1 / len(support) if support else None,
        "mcc": 0.0,
    }
