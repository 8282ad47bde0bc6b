"""Pictures of single images and of probabilities, for a person to look at."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from cxr.metrics.calibration_error import BINS, table
from cxr.metrics.classification import Floats, Labels
from cxr.plotting.figures import contact_sheet, figure
from stages.evaluate.plots import write

MISTAKES = 24
BAR = 0.02
PROBES = {
    "network": "Network, whole image",
    "file": "Classifier, file facts",
    "thumbnail": "Classifier, 8 x 8 pixels",
    "border": "Classifier, border",
    "lungs_blanked": "Network, lungs blanked",
    "lungs_only": "Network, lungs alone",
}
SOURCES = 7
"""Sources with a colour of their own; the rest share one."""


def reliability(
    folder: Path, actual: Labels, uncalibrated: Floats, calibrated: Floats, temperature: float
) -> None:
    """Draw how sure the network is against how right, and how many images there are.

    Args:
        actual: (N,), numbers of classes.
        uncalibrated, calibrated: (N, K), probabilities without and with the temperature.
    """
    before, after = table(actual, uncalibrated), table(actual, calibrated)
    write(folder / "reliability" / "before.csv", before)
    write(folder / "reliability" / "after.csv", after)
    path = folder / "reliability.png"
    with figure(
        path, 2, 1, figsize=(5.6, 6.6), sharex=True, gridspec_kw={"height_ratios": [3, 1]}
    ) as (_, (axes, counts)):
        axes.axline((0, 0), slope=1, color="grey", linestyle=":", label="perfectly calibrated")
        for bins, name, shift in (
            (before, "before", -BAR / 2),
            (after, f"after (temperature {temperature:.2f})", BAR / 2),
        ):
            line = axes.plot(bins["confidence"], bins["accuracy"], alpha=0.5, linewidth=1)
            size = 90 * bins["images"] / bins["images"].max() + 6
            axes.scatter(
                bins["confidence"], bins["accuracy"], size, color=line[0].get_color(), label=name
            )
            middle = (np.ceil(bins["confidence"] * BINS) - 0.5) / BINS
            counts.bar(middle + shift, bins["images"], width=BAR)
        axes.set(
            xlim=(0, 1.01), ylim=(0, 1.02), ylabel="Share of images told right",
            title="Reliability, test images",
        )  # fmt: skip
        counts.legend(
            *axes.get_legend_handles_labels(),
            loc="upper center",
            bbox_to_anchor=(0.5, -0.35),
            ncols=3,
            fontsize=8,
        )
        counts.set(xlabel="Probability of the predicted class", ylabel="Images")


def operating_point(
    folder: Path, actual: Labels, probabilities: Floats, classes: list[str], point: dict[str, Any]
) -> None:
    """Draw the ROC curve of the positive class with the threshold from validation on it.

    Args:
        actual: (N,), numbers of classes.
        probabilities: (N, K).
        point: what `stages.evaluate.metrics.operating_point` gives.
    """
    name = point["class"]
    positive, score = actual == classes.index(name), probabilities[:, classes.index(name)]
    path = folder / "operating_point.png"
    with figure(path, figsize=(5.6, 5.6)) as (_, axes):
        if positive.any() and not positive.all():
            fpr, tpr, _ = roc_curve(positive, score)
            axes.plot(fpr, tpr, label=f"{name} against the rest")
        axes.axhline(point["target"], color="grey", linestyle=":", label="sensitivity asked for")
        if point["sensitivity"] is not None and point["specificity"] is not None:
            x, y = 1 - point["specificity"], point["sensitivity"]
            ends = point["interval"]
            axes.errorbar(
                [x], [y],
                xerr=arms(1 - x, ends["specificity"])[::-1],
                yerr=arms(y, ends["sensitivity"]),
                fmt="o", color="C1", capsize=3,
                label=f"threshold {point['threshold']:.3f} from validation",
            )  # fmt: skip
            usual = point["most_probable"]
            axes.plot(
                1 - usual["specificity"], usual["sensitivity"], "s", color="C2",
                label="most probable class",
            )  # fmt: skip
        axes.set(
            xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal",
            xlabel="False positive rate (1 - specificity)",
            ylabel="True positive rate (sensitivity)",
            title="Operating point, test images",
        )  # fmt: skip
        axes.legend(loc="lower right")


def arms(value: float, ends: dict[str, float | None]) -> list[list[float]]:
    """How far an interval reaches below and above a value, for error bars; not at all if unknown.

    A percentile interval can miss the value that it is of.
    """
    low, high = ends["low"], ends["high"]
    if low is None or high is None:
        return [[0.0], [0.0]]
    return [[max(0.0, value - low)], [max(0.0, high - value)]]


def audit(folder: Path, found: dict[str, Any]) -> None:
    """Draw how much of the classes each probe finds, beside the network and chance.

    Args:
        found: what `stages.evaluate.audit.audit` gives.
    """
    shown = {name: found[name] for name in PROBES if found[name]["images"]}
    with figure(folder / "audit.png", figsize=(7.5, 0.5 * len(shown) + 1.4)) as (_, axes):
        for place, result in enumerate(shown.values()):
            ends, value = result["interval"]["balanced_accuracy"], result["balanced_accuracy"]
            axes.errorbar(
                [value],
                [place],
                xerr=arms(value, ends),
                fmt="o",
                capsize=3,
                color="C1" if result.get("suspicious") else "C0",
            )
            axes.plot([result["chance"]] * 2, [place - 0.4, place + 0.4], color="grey", ls=":")
        labels = [
            PROBES[name] + (" - suspicious" if result.get("suspicious") else "")
            for name, result in shown.items()
        ]
        axes.set_yticks(range(len(shown)), labels)
        axes.set(
            xlim=(0, 1.02), xlabel="Balanced accuracy, test images (dotted: chance)",
            title="Shortcut audit: what tells the classes apart",
        )  # fmt: skip
        axes.invert_yaxis()


def projection(folder: Path, images: pd.DataFrame, plane: Floats) -> None:
    """Draw the features' plane twice: coloured by class and by source.

    Args:
        images: N rows with `image`, `target` and `source`.
        plane: (N, 2).
    """
    points = images[["image", "target", "source"]].assign(x=plane[:, 0], y=plane[:, 1])
    write(folder / "projection.csv", points)
    path = folder / "projection.png"
    most = points["source"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    sources = points["source"].where(points["source"].isin(most.index[:SOURCES]), "others")
    with figure(path, 1, 2, figsize=(10.5, 5.4)) as (drawing, axes):
        for axis, title, values in zip(
            axes, ("class", "source"), (points["target"], sources), strict=True
        ):
            for value in sorted(values.unique()):
                part = points[values == value]
                axis.scatter(part["x"], part["y"], s=14, alpha=0.8, linewidths=0, label=value)
            axis.set(title=f"By {title}", xticks=[], yticks=[])
            axis.grid(False)
            axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2)
        drawing.suptitle("Features before the last layer, test images (PCA, then t-SNE)")


def mistakes(
    folder: Path,
    images: pd.DataFrame,
    pixels: NDArray[np.uint8],
    actual: Labels,
    probabilities: Floats,
    classes: list[str],
) -> None:
    """Write a contact sheet of the images that are wrong with the most confidence.

    Args:
        images: N rows with `image` and `row`, sorted by image.
        pixels: uint8 (all images, S, S), may be memory-mapped.
    """
    predicted = probabilities.argmax(1)
    wrong = np.flatnonzero(predicted != actual)
    worst = wrong[np.argsort(-probabilities[wrong].max(1), kind="stable")][:MISTAKES]
    captions = [
        f"{name(images['image'].iloc[place])}\n"
        f"true {classes[actual[place]]} {probabilities[place, actual[place]]:.0%}\n"
        f"predicted {classes[predicted[place]]} {probabilities[place].max():.0%}"
        for place in worst
    ]
    title = (
        f"The {len(worst)} most confident of {len(wrong)} mistakes, test images"
        if len(wrong)
        else "No mistakes among the test images"
    )
    shown = [pixels[row] for row in images["row"].iloc[worst]]
    contact_sheet(folder / "mistakes.png", shown, captions, columns=6, title=title)


def name(image: str) -> str:
    """The end of an image's path, short enough for a caption."""
    last = Path(image).name
    return last if len(last) <= 26 else f"…{last[-25:]}"
