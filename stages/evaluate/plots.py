"""Plots of the test scores, and the data of the curves, which `dvc plots diff` overlays.

Confusion matrix, ROC and precision-recall curves, operating point, reliability diagram.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import (
    PrecisionRecallDisplay,
    RocCurveDisplay,
    precision_recall_curve,
    roc_curve,
)

from cxr.metrics.calibration_error import BINS, reliability_table
from cxr.metrics.classification import Floats, Labels, confusion_matrices
from cxr.pipeline.files import file_name
from cxr.pipeline.tables import write_csv
from cxr.plotting.figures import figure

BAR_WIDTH = 0.02
MAX_POINTS = 200
CHANCE = {"color": "grey", "linestyle": ":", "linewidth": 1.5, "label": "chance"}


def write_curves(
    folder: Path, actual: Labels, uncalibrated: Floats, calibrated: Floats, classes: list[str]
) -> None:
    """Write the data of confusion matrix, ROC, precision-recall and reliability curves.

    `confusion.csv` has a row for each image, sorted; `roc/` and `precision_recall/` have a table
    for each class, of at most `MAX_POINTS` rows; `reliability/` has the bins before and after
    temperature scaling.

    Args:
        actual: (N,), class indices.
        uncalibrated, calibrated: probabilities (N, K) before and after temperature scaling.
    """
    names = np.array(classes)
    pairs = pd.DataFrame({"actual": names[actual], "predicted": names[calibrated.argmax(1)]})
    write_csv(folder / "confusion.csv", pairs.sort_values(["actual", "predicted"]))
    for index, name in enumerate(classes):
        positive, score = actual == index, calibrated[:, index]
        if positive.all() or not positive.any():
            continue
        fpr, tpr, _ = roc_curve(positive, score)
        precision, recall, _ = precision_recall_curve(positive, score, drop_intermediate=True)
        file = f"{file_name(name)}.csv"
        write_csv(folder / "roc" / file, thin(pd.DataFrame({"fpr": fpr, "tpr": tpr})))
        # In the order of rising recall.
        pr = pd.DataFrame({"recall": recall, "precision": precision})[::-1]
        write_csv(folder / "precision_recall" / file, thin(pr))
    write_csv(folder / "reliability" / "before.csv", reliability_table(actual, uncalibrated))
    write_csv(folder / "reliability" / "after.csv", reliability_table(actual, calibrated))


def thin(curve: pd.DataFrame) -> pd.DataFrame:
    """At most `MAX_POINTS` rows of a curve, evenly spaced, with both ends: git keeps the file."""
    rows = np.linspace(0, len(curve) - 1, min(len(curve), MAX_POINTS)).round().astype(int)
    return curve.iloc[rows]


def draw_confusion_matrix(
    folder: Path, actual: Labels, predicted: Labels, classes: list[str]
) -> None:
    """Draw the confusion matrix.

    A cell shows the number of images and, as text and shade, its share of the actual class (row).

    Args:
        actual, predicted: (N,), class indices.
    """
    matrix = confusion_matrices(actual, predicted, len(classes))[0]
    support = matrix.sum(1, keepdims=True)
    share = np.divide(matrix, support, out=np.zeros_like(matrix), where=support > 0)
    side = 2.2 + 0.95 * len(classes)
    with figure(folder / "confusion.png", figsize=(side, side)) as (_, axes):
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(*matrix.shape):
            axes.text(
                column,
                row,
                f"{matrix[row, column]:.0f}\n{share[row, column]:.0%}",
                ha="center",
                va="center",
                color="white" if share[row, column] > 0.55 else "black",
            )
        axes.set_xticks(range(len(classes)), classes, rotation=30, ha="right")
        axes.set_yticks(range(len(classes)), classes)
        axes.grid(False)
        axes.set(xlabel="Predicted class", ylabel="Actual class")
        axes.set_title("Test images (% of the actual class)")


def draw_curves(folder: Path, actual: Labels, probs: Floats, classes: list[str]) -> None:
    """Draw the one-vs-rest ROC and precision-recall curves.

    A class without images, or without images of other classes, has no curve.

    Args:
        actual: (N,), class indices.
        probs: (N, K).
    """
    # The legend, of two columns, is below the curves.
    size = (5.6, 6.1 + 0.2 * (len(classes) // 2 + 1))
    with (
        figure(folder / "roc.png", figsize=size) as (_, roc_axes),
        figure(folder / "precision_recall.png", figsize=size) as (_, pr_axes),
    ):
        for index, name in enumerate(classes):
            positive, score = actual == index, probs[:, index]
            if positive.all() or not positive.any():
                continue
            roc = RocCurveDisplay.from_predictions(positive, score, ax=roc_axes)
            pr = PrecisionRecallDisplay.from_predictions(
                positive, score, ax=pr_axes, drop_intermediate=True
            )
            # scikit-learn's labels have two decimals: 1.00 for 0.995.
            roc.line_.set_label(f"{name} (AUC = {roc.roc_auc:.3f})")
            pr.line_.set_label(f"{name} (AP = {pr.average_precision:.3f})")
        roc_axes.plot([0, 1], [0, 1], **CHANCE)
        for axes, title, x, y in (
            (roc_axes, "ROC curves", "False positive rate", "True positive rate (sensitivity)"),
            (pr_axes, "Precision-recall curves", "Recall (sensitivity)", "Precision (PPV)"),
        ):
            axes.set(
                title=f"{title}, one-vs-rest, test images", xlabel=x, ylabel=y,
                xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal",
            )  # fmt: skip
            if axes.get_legend_handles_labels()[0]:
                axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, fontsize=9)


def draw_operating_point(
    folder: Path, actual: Labels, probs: Floats, index: int, metrics: dict[str, Any]
) -> None:
    """Draw the ROC curve of the positive class, and on it the threshold from validation.

    Args:
        actual: (N,), class indices.
        probs: (N, K).
        index: of the positive class.
        metrics: see `stages.evaluate.metrics.operating_point_metrics`.
    """
    positive = actual == index
    with figure(folder / "operating_point.png", figsize=(5.6, 5.6)) as (_, axes):
        if positive.any() and not positive.all():
            RocCurveDisplay.from_predictions(
                positive, probs[:, index], ax=axes, name=metrics["positive_class"]
            )
            axes.plot([0, 1], [0, 1], **CHANCE)
        target = metrics["target_sensitivity"]
        axes.axhline(
            target, color="grey", linestyle="--", linewidth=1, label=f"target ({target:.0%})"
        )
        if metrics["sensitivity"] is not None and metrics["specificity"] is not None:
            argmax, intervals = metrics["argmax"], metrics["interval"]
            axes.plot(
                1 - argmax["specificity"], argmax["sensitivity"], "s", color="C2",
                label="most probable class",
            )  # fmt: skip
            fpr, tpr = 1 - metrics["specificity"], metrics["sensitivity"]
            axes.errorbar(
                [fpr], [tpr],
                xerr=error_bar(metrics["specificity"], intervals["specificity"])[::-1],
                yerr=error_bar(tpr, intervals["sensitivity"]),
                fmt="o", color="C1", capsize=3,
                label=f"threshold {metrics['threshold']:.3f} from validation",
            )  # fmt: skip
        axes.set(
            title=f"Operating point for {metrics['positive_class']}, test images",
            xlabel="False positive rate (1 − specificity)",
            ylabel="True positive rate (sensitivity)",
            xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal",
        )  # fmt: skip
        axes.legend(loc="lower right")


def draw_reliability(
    folder: Path, actual: Labels, uncalibrated: Floats, calibrated: Floats, temperature: float
) -> None:
    """Draw accuracy against confidence before and after temperature scaling.

    Args:
        actual: (N,), class indices.
        uncalibrated, calibrated: probabilities (N, K) before and after.
    """
    before = reliability_table(actual, uncalibrated)
    after = reliability_table(actual, calibrated)
    with figure(
        folder / "reliability.png", 2, 1,
        figsize=(5.6, 6.6), sharex=True, gridspec_kw={"height_ratios": [3, 1]},
    ) as (_, (axes, counts)):  # fmt: skip
        axes.axline((0, 0), slope=1, color="grey", linestyle=":", label="perfect calibration")
        for bins, label, shift in (
            (before, "before", -BAR_WIDTH / 2),
            (after, f"after (temperature {temperature:.2f})", BAR_WIDTH / 2),
        ):
            line = axes.plot(bins["confidence"], bins["accuracy"], alpha=0.5, linewidth=1)
            size = 90 * bins["images"] / bins["images"].max() + 6
            axes.scatter(
                bins["confidence"], bins["accuracy"], size, color=line[0].get_color(), label=label
            )
            middle = (np.ceil(bins["confidence"] * BINS) - 0.5) / BINS
            counts.bar(middle + shift, bins["images"], width=BAR_WIDTH)
        axes.set(xlim=(0, 1.01), ylim=(0, 1.02), ylabel="Accuracy")
        axes.set_title("Reliability diagram, test images")
        counts.legend(
            *axes.get_legend_handles_labels(),
            loc="upper center",
            bbox_to_anchor=(0.5, -0.35),
            ncols=3,
            fontsize=8,
        )
        counts.set(xlabel="Confidence (probability of the predicted class)", ylabel="Images")


def error_bar(value: float, interval: dict[str, float | None]) -> NDArray[np.float64]:
    """Lengths below and above the value for `errorbar`, (2, 1); 0 where undefined.

    A percentile interval need not contain the value, but a length can't be negative.
    """
    low, high = interval["low"], interval["high"]
    if low is None or high is None:
        return np.zeros((2, 1))
    return np.array([[max(0.0, value - low)], [max(0.0, high - value)]])
