"""Plots that help to understand the errors: shortcut audit, feature projection, worst mistakes."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.metrics.classification import Floats, Labels
from cxr.plotting.display_names import PROBE_NAMES
from cxr.plotting.figures import contact_sheet, figure, short_name
from stages.evaluate.plots import error_bar

MISTAKES = 24
COLOURED_SOURCES = 7
"""Sources with a colour of their own; the rest share one."""


def draw_audit(folder: Path, audit: dict[str, Any]) -> None:
    """Draw the balanced accuracy of each probe, beside the network and chance.

    Args:
        audit: see `stages.evaluate.audit.audit_shortcuts`.
    """
    names = {"network": "whole image (network)", **PROBE_NAMES}
    shown = {name: audit[name] for name in names if audit[name]["images"]}
    with figure(folder / "audit.png", figsize=(7.5, 0.5 * len(shown) + 1.6)) as (_, axes):
        for row, result in enumerate(shown.values()):
            score = result["balanced_accuracy"]
            axes.errorbar(
                [score],
                [row],
                xerr=error_bar(score, result["interval"]["balanced_accuracy"]),
                fmt="o",
                capsize=3,
                color="C1" if result.get("suspicious") else "C0",
            )
            axes.plot([result["chance"]] * 2, [row - 0.4, row + 0.4], color="grey", ls=":")
        labels = [
            names[name] + (" (suspicious)" if result.get("suspicious") else "")
            for name, result in shown.items()
        ]
        axes.set_yticks(range(len(shown)), labels)
        axes.set(xlim=(0, 1.02), xlabel="Balanced accuracy on test images (dotted: chance)")
        axes.set_title("Shortcut audit: how well each input predicts the class")
        axes.invert_yaxis()


def draw_projection(folder: Path, points: pd.DataFrame) -> None:
    """Draw the projected features twice: coloured by class, and by source.

    Args:
        points: rows with `target`, `source`, `x` and `y`.
    """
    counts = points["source"].value_counts().sort_index()
    largest = counts.sort_values(ascending=False, kind="stable").index[:COLOURED_SOURCES]
    sources = points["source"].where(points["source"].isin(largest), "others")
    with figure(folder / "projection.png", 1, 2, figsize=(10.5, 5.4)) as (canvas, axes):
        for axis, title, values in zip(
            axes, ("class", "source"), (points["target"], sources), strict=True
        ):
            for value in sorted(values.unique()):
                part = points[values == value]
                axis.scatter(part["x"], part["y"], s=20, alpha=0.8, linewidths=0, label=value)
            axis.set(title=f"By {title}", xticks=[], yticks=[])
            axis.grid(False)
            axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2)
        canvas.suptitle("Features before the last layer, test images (PCA, then t-SNE)")


def draw_mistakes(
    folder: Path,
    images: pd.DataFrame,
    pixels: NDArray[np.uint8],
    actual: Labels,
    probs: Floats,
    classes: list[str],
) -> None:
    """Draw a contact sheet of the wrongly classified images, the most confident first.

    Args:
        images: N rows with `image` and `row`, sorted by image.
        pixels: uint8 (all images, S, S), may be memory-mapped.
    """
    predicted = probs.argmax(1)
    wrong = np.flatnonzero(predicted != actual)
    worst = wrong[np.argsort(-probs[wrong].max(1), kind="stable")][:MISTAKES]
    captions = [
        f"{short_name(images['image'].iloc[index])}\n"
        f"true {classes[actual[index]]} {probs[index, actual[index]]:.0%}\n"
        f"predicted {classes[predicted[index]]} {probs[index].max():.0%}"
        for index in worst
    ]
    title = (
        f"The {len(worst)} most confident of {len(wrong)} mistakes, test images"
        if len(wrong)
        else "No mistakes among the test images"
    )
    shown = [pixels[row] for row in images["row"].iloc[worst]]
    contact_sheet(folder / "mistakes.png", shown, captions, columns=6, title=title)
