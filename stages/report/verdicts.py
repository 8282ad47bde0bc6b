"""What the numbers say, in plain words: for a reader who reads nothing else."""

from dataclasses import dataclass
from typing import Any

from stages.report.wording import interval, known, number, percent, percents

Metrics = dict[str, Any]

PROBES = {
    "file": (
        "File facts",
        "a classifier sees only the file's format, mode and size",
        "facts about the files (format, mode, size) tell the classes apart, so a score may come "
        "from where the files were made",
    ),
    "thumbnail": (
        "8 × 8 pixels",
        "a classifier sees the image shrunk to 8 × 8 pixels",
        "8 × 8 pixels tell the classes apart, too few to show most signs of disease",
    ),
    "border": (
        "Border pixels",
        "a classifier sees only the outer tenth of the image",
        "the outer tenth of the image tells the classes apart, where markers and labels stand",
    ),
    "lungs_blanked": (
        "Blanked lungs",
        "the network sees the image without its lungs",
        "the network tells the classes apart without seeing the lungs",
    ),
    "lungs_only": (
        "Lungs alone",
        "the network sees nothing but the lungs",
        "without what lies around the lungs the network no longer beats chance",
    ),
}
"""For each probe of the audit: its name, what it is, and what it means if it is suspicious."""

FEW = 10
"""Patients or groups below which a subgroup's numbers are too uncertain to compare."""


@dataclass(frozen=True)
class Verdict:
    """A finding: `tone` is good, bad or plain."""

    tone: str
    title: str
    text: str


def performance(test: Metrics, chance: float | None, confidence: float) -> Verdict:
    """Whether the headline is above chance, with its interval."""
    value, ends = test["balanced_accuracy"], test["interval"]["balanced_accuracy"]
    if value is None or chance is None or not known(ends):
        return Verdict("plain", "Performance undefined", "There are too few test images to say.")
    if ends["low"] > chance:
        tone, title = "good", "Better than guessing"
    elif ends["high"] < chance:
        tone, title = "bad", "Worse than guessing"
    else:
        tone, title = "bad", "Not shown to be better than guessing"
    return Verdict(
        tone,
        title,
        f"Balanced accuracy {number(value)} ({percent(confidence)} interval {interval(ends)}); "
        f"guessing gives {number(chance)}. Of 100 images of a class, on average "
        f"{100 * value:.0f} are recognised; with {test['images']} test images of "
        f"{test['groups']} patients or groups, anything from {100 * ends['low']:.0f} to "
        f"{100 * ends['high']:.0f} is plausible.",
    )


def weakest(by_class: dict[str, Metrics]) -> Verdict:
    """The class that is recognised least."""
    found = {name: one for name, one in by_class.items() if one["sensitivity"] is not None}
    if not found:
        return Verdict("plain", "No class was tested", "There are no test images of any class.")
    name = min(found, key=lambda one: found[one]["sensitivity"])
    one = found[name]
    return Verdict(
        "bad" if one["sensitivity"] == 0 else "plain",
        f"Weakest class: {name}",
        f"{percent(one['sensitivity'])} of its {one['support']} test images are recognised "
        f"(interval {percents(one['interval']['sensitivity'])}).",
    )


def operating_point(point: Metrics | None, by_class: dict[str, Metrics]) -> Verdict:
    """What the threshold for the class that must not be missed does on test images."""
    if point is None:
        return Verdict(
            "plain",
            "No operating point",
            "No class of this task is named as the one that must not be missed "
            "(evaluate.positive in params.yaml), or validation has no image of it.",
        )
    reached, ends = point["sensitivity"], point["interval"]
    if reached is None or point["specificity"] is None:
        return Verdict(
            "plain",
            f"Sensitivity to {point['positive_class']}: undefined",
            "The test images lack either positives or negatives.",
        )
    name, target = point["positive_class"], point["target_sensitivity"]
    return Verdict(
        "bad" if reached < target else "plain",
        f"Sensitivity to {name}: {percent(reached)} (interval "
        f"{percents(ends['sensitivity'])}), target {percent(target)}",
        f"With the threshold chosen on {point['validation_images']} validation images, "
        f"{percent(reached)} of the {by_class[name]['support']} {name} test images are detected, "
        f"and {percent(1 - point['specificity'])} of the other images are false positives.",
    )


def audit(found: Metrics) -> Verdict:
    """Which shortcuts are suspicious, said plainly."""
    ran = [name for name in PROBES if found[name]["images"]]
    suspicious = [name for name in ran if found[name]["suspicious"]]
    skipped = len(PROBES) - len(ran)
    rest = f" {skipped} of {len(PROBES)} probes could not run: no lung masks." if skipped else ""
    if suspicious:
        meanings = "; ".join(PROBES[name][2] for name in suspicious)
        return Verdict(
            "bad",
            f"Shortcuts: {len(suspicious)} of {len(ran)} probes suspicious",
            f"{meanings[0].upper()}{meanings[1:]}. Do not read the scores as skill at finding "
            f"disease.{rest}",
        )
    # The lungs alone are no shortcut, however much they tell.
    most = max((name for name in ran if name != "lungs_only"), key=lambda one: reached(found[one]))
    said = (
        f"Of the probes, {PROBES[most][0].lower()} tell most about the classes: balanced "
        f"accuracy {number(reached(found[most]))}, where chance is "
        f"{number(found[most]['chance'])} and the network reaches "
        f"{number(found['network']['balanced_accuracy'])}. By the audit's rule that is not "
        f"suspicious; a shortcut may be there all the same.{rest}"
    )
    rivals = [PROBES[name][0].lower() for name in ran if as_good(found[name])]
    if rivals:
        return Verdict(
            "plain",
            f"Shortcuts: the network is not shown to see more than {', '.join(rivals)}",
            said,
        )
    return Verdict("good", f"Shortcuts: none of {len(ran)} probes suspicious", said)


def as_good(probe: Metrics) -> bool:
    """Whether a probe beats chance, and the network is not shown to find more than it."""
    score, gain = probe["interval"]["balanced_accuracy"], probe["interval"].get("network_gain")
    return known(score) and known(gain) and score["low"] > probe["chance"] and gain["low"] <= 0


def reached(probe: Metrics) -> float:
    """Balanced accuracy of a probe that ran; 0 if undefined."""
    return float(probe["balanced_accuracy"] or 0)


def calibration(test: Metrics, sureness: float | None) -> str:
    """Whether its probabilities can be believed, and whether the temperature helped.

    Args:
        sureness: mean probability of the predicted class, calibrated.
    """
    after, before = test["ece"], test["calibration"]["before"]["ece"]
    if after is None or sureness is None or test["accuracy"] is None:
        return "Calibration is undefined on these test images."
    gap = sureness - test["accuracy"]
    side = "too sure of itself" if gap > 0 else "less sure than it is right"
    helped = "lowered" if after < before else "did not lower"
    return (
        f"On average it gives its predicted class a probability of {percent(sureness)} and is "
        f"right in {percent(test['accuracy'])}: it is {side}. The temperature "
        f"({test['calibration']['temperature']:.2f}, from validation) {helped} the calibration "
        f"error on test images: {number(before)} before, {number(after)} after."
    )


def baselines(by_class: dict[str, Metrics], chance: float | None) -> dict[str, float | None]:
    """What the headline scores would be without looking at the images.

    Accuracy: of always calling the most frequent class. Average precision: the mean share of a
    class. The others: of calling classes at random.
    """
    support = [one["support"] for one in by_class.values() if one["support"]]
    return {
        "accuracy": max(support) / sum(support) if support else None,
        "balanced_accuracy": chance,
        "auroc": 0.5,
        "average_precision": 1 / len(support) if support else None,
        "mcc": 0.0,
    }
