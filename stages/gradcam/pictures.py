"""Heatmaps as pictures, under names that are the same for every network."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from stages.figures import figure

# Yellow to red, told from grey anatomy at any brightness; transparent where there is no heat.
COLOURS = "YlOrRd"
OPACITY = 0.75


def draw(
    folder: Path,
    shown: pd.DataFrame,
    images: NDArray[np.uint8],
    maps: NDArray[np.float32],
    masks: NDArray[np.uint8],
) -> None:
    """Write one picture for each image, `<class>-<slot>.png`, and `overview.png`.

    Args:
        shown: N rows with `label`, `slot`, `predicted`, `p_label` and `p_predicted`.
        images, masks: (N, S, S); a mask that is all zero is not drawn.
        maps: (N, S, S), 0 to 1.
    """
    for row, image, heat, mask in zip(shown.itertuples(), images, maps, masks, strict=True):
        # Quoted, because a class may be called "bacterial/viral".
        single(folder / f"{quote(row.label, safe=' ,')}-{row.slot}.png", row, image, heat, mask)
    overview(folder / "overview.png", shown, images, maps, masks)


def single(
    path: Path,
    row: Any,
    image: NDArray[np.uint8],
    heat: NDArray[np.float32],
    mask: NDArray[np.uint8],
) -> None:
    """Write an image beside the same image under its heatmap."""
    with figure(path, 1, 2, figsize=(7.4, 3.9)) as (drawing, (left, right)):
        plain(left, image, mask)
        left.set_title("Image" + (" and lungs (dotted)" if mask.any() else ""))
        shown = overlay(right, image, heat, mask)
        right.set_title("What speaks for " + row.predicted)
        drawing.colorbar(shown, ax=right, shrink=0.85, label="Heat, scaled to this image")
        drawing.suptitle(caption(row, ", "))


def overview(
    path: Path,
    shown: pd.DataFrame,
    images: NDArray[np.uint8],
    maps: NDArray[np.float32],
    masks: NDArray[np.uint8],
) -> None:
    """Write all heatmaps on one sheet: a row for each class."""
    labels = sorted(shown["label"].unique())
    rows, columns = len(labels), int(shown["slot"].max())
    size = (2.1 * columns + 1.2, 2.5 * rows + 0.4)
    with figure(path, rows, columns, figsize=size, squeeze=False) as (drawing, axes):
        for cell in axes.flat:
            cell.set_axis_off()
        for row, image, heat, mask in zip(shown.itertuples(), images, maps, masks, strict=True):
            cell = axes[labels.index(row.label), row.slot - 1]
            last = overlay(cell, image, heat, mask)
            cell.set_title(
                caption(row, "\n"),
                color="black" if row.correct else "#C00000",
                fontsize=8,
            )
        drawing.colorbar(last, ax=axes, shrink=0.5, label="Heat, scaled to each image")
        drawing.suptitle("What speaks for the predicted class, test images (errors in red)")


def plain(axes: Any, image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> None:
    """Draw a grey image and the outline of its lungs."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=255)
    axes.set_axis_off()
    if mask.any():
        axes.contour(mask > 0, levels=[0.5], colors="#56B4E9", linewidths=1, linestyles="dotted")


def overlay(
    axes: Any, image: NDArray[np.uint8], heat: NDArray[np.float32], mask: NDArray[np.uint8]
) -> Any:
    """Draw a heatmap over its image; an empty one says so."""
    plain(axes, image, mask)
    if not heat.any():
        middle = {"ha": "center", "va": "center", "transform": axes.transAxes}
        axes.text(0.5, 0.5, "empty map", color="white", backgroundcolor="black", **middle)
    axes.imshow(heat, cmap=COLOURS, vmin=0, vmax=1, alpha=OPACITY * heat)
    # For the colour bar: one that is not transparent.
    return ScalarMappable(Normalize(0, 1), COLOURS)


def caption(row: Any, separator: str) -> str:
    """True and predicted class with their probabilities."""
    true, predicted = f"true {row.label} {row.p_label:.0%}", f"predicted {row.predicted}"
    return f"{true}{separator}{predicted} {row.p_predicted:.0%}"
