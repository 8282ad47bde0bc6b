"""What evaluation shows: each as a picture, and as a table that `dvc plots diff` overlays."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import auc, precision_recall_curve, roc_curve

from cxr.metrics.classification import Floats, Labels, confusion
from cxr.pipeline.files import file_name, whole
from cxr.plotting.figures import figure


def draw(folder: Path, actual: Labels, probabilities: Floats, classes: list[str]) -> None:
    """Write all tables and pictures of the test images.

    Args:
        actual: (N,), numbers of classes.
        probabilities: (N, K).
    """
    predicted = probabilities.argmax(1)
    names = np.array(classes)
    pairs = pd.DataFrame({"actual": names[actual], "predicted": names[predicted]})
    write(folder / "confusion.csv", pairs)
    matrix = confusion(actual, predicted, len(classes))[0]
    confusion_matrix(folder / "confusion.png", matrix, classes)

    roc, precision_recall = curves(actual, probabilities, classes)
    for title, table in roc.items():
        write(folder / "roc" / f"{file_name(title)}.csv", table)
    for title, table in precision_recall.items():
        write(folder / "precision_recall" / f"{file_name(title)}.csv", table)
    draw_roc(folder / "roc.png", roc)
    draw_precision_recall(folder / "precision_recall.png", precision_recall)


def write(path: Path, table: pd.DataFrame) -> None:
    """Write a table for DVC to plot."""
    with whole(path) as part:
        table.to_csv(part, index=False, lineterminator="\n", float_format="%.6g")


def curves(
    actual: Labels, probabilities: Floats, classes: list[str]
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """ROC (fpr, tpr) and precision-recall (recall, precision) curves by class.

    A class without images, or without others to tell it from, has none.
    """
    roc, precision_recall = {}, {}
    for number, name in enumerate(classes):
        positive = actual == number
        if positive.all() or not positive.any():
            continue
        score = probabilities[:, number]
        fpr, tpr, _ = roc_curve(positive, score)
        roc[name] = pd.DataFrame({"fpr": fpr, "tpr": tpr})
        precision, recall, _ = precision_recall_curve(positive, score, drop_intermediate=True)
        table = pd.DataFrame({"recall": recall, "precision": precision})
        # From recall 0 upwards, as a curve is read.
        precision_recall[name] = table[::-1]
    return roc, precision_recall


def draw_roc(path: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Draw the ROC curve of each class, with the area under it."""
    with unit_square(path, "False positive rate", "True positive rate (sensitivity)") as axes:
        for name, table in tables.items():
            area = auc(table["fpr"], table["tpr"])
            axes.plot(table["fpr"], table["tpr"], label=f"{name} (AUROC {area:.2f})")
        axes.axline((0, 0), slope=1, color="grey", linestyle=":", label="chance")


def draw_precision_recall(path: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Draw the precision-recall curve of each class, with its average precision."""
    with unit_square(path, "Recall (sensitivity)", "Precision (predictive value)") as axes:
        for name, table in tables.items():
            recall, precision = table["recall"], table["precision"]
            average = (recall.diff() * precision).sum()
            # A step, because precision is not linear between two thresholds.
            axes.plot(recall, precision, drawstyle="steps-pre", label=f"{name} (AP {average:.2f})")


@contextmanager
def unit_square(path: Path, x_label: str, y_label: str) -> Iterator[Any]:
    """Axes from 0 to 1 with a legend beside them."""
    with figure(path, figsize=(8, 5)) as (_, axes):
        yield axes
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=x_label, ylabel=y_label)
        axes.set_aspect("equal")
        axes.set_title("Each class against the rest, test images")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))


def confusion_matrix(path: Path, matrix: NDArray[np.float64], classes: list[str]) -> None:
    """Draw counts, shaded by the share of the actual class (the row)."""
    support = matrix.sum(1, keepdims=True)
    share = np.divide(matrix, support, out=np.zeros_like(matrix), where=support > 0)
    side = 2.2 + 0.95 * len(classes)
    with figure(path, figsize=(side + 1, side)) as (drawing, axes):
        shown = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
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
        axes.set(xlabel="Predicted", ylabel="Actual", title="Test images and share of the row")
        drawing.colorbar(shown, ax=axes, shrink=0.8, label="Share of the actual class")
