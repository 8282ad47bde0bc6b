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
from stages.tables import SPLITS

# Yellow to red, told from grey anatomy at any brightness; transparent where there is no heat.
COLOURS = "YlOrRd"
OPACITY = 0.75
NAMES = {"train": "training", "val": "validation", "test": "test"}
COLUMNS = 6
"""Novel images in a row."""

Images = NDArray[np.uint8]
Maps = NDArray[np.float32]


def draw(folder: Path, shown: pd.DataFrame, images: Images, maps: Maps, masks: Images) -> None:
    """Write one picture for each image, `<split>-<class>-<slot>.png`, and a sheet for each class.

    Args:
        shown: N rows with `split`, `label`, `slot`, `correct`, `predicted`, `p_label` and
            `p_predicted`.
        images, masks: (N, S, S); a mask that is all zero is not drawn.
        maps: (N, S, S), 0 to 1.
    """
    rows = list(zip(shown.itertuples(), images, maps, masks, strict=True))
    for row, image, heat, mask in rows:
        single(
            folder / f"{row.split}-{file_name(row.label)}-{row.slot}.png", row, image, heat, mask
        )
    for label in sorted(shown["label"].unique()):
        sheet(
            folder / f"{file_name(label)}.png",
            [part for part in rows if part[0].label == label],
            int(shown["slot"].max()),
        )


def draw_novel(folder: Path, shown: pd.DataFrame, images: Images, maps: Maps) -> None:
    """Write `novel-<slot>.png` for each image, and a sheet of all; nothing if there are none."""
    if shown.empty:
        return
    blank = np.zeros_like(images[0])
    rows = -(-len(shown) // COLUMNS)
    size = (2.1 * COLUMNS + 1.2, 2.5 * rows + 0.4)
    with figure(folder / "novel.png", rows, COLUMNS, figsize=size, squeeze=False) as (
        drawing,
        axes,
    ):
        for cell in axes.flat:
            cell.set_axis_off()
        for cell, row, image, heat in zip(
            axes.flat, shown.itertuples(), images, maps, strict=False
        ):
            last = overlay(cell, image, heat, blank)
            cell.set_title(caption(row, "\n"), fontsize=8)
        drawing.colorbar(last, ax=axes, shrink=0.5, label="Heat, scaled to each image")
        drawing.suptitle("What speaks for the predicted class, novel images")
    for slot, (row, image, heat) in enumerate(
        zip(shown.itertuples(), images, maps, strict=True), start=1
    ):
        single(folder / f"novel-{slot}.png", row, image, heat, blank)


def file_name(label: str) -> str:
    """A class as part of a file's name: it may be called "bacterial/viral"."""
    return quote(label, safe=" ,")


def single(path: Path, row: Any, image: Images, heat: Maps, mask: Images) -> None:
    """Write an image beside the same image under its heatmap."""
    with figure(path, 1, 2, figsize=(7.4, 3.9)) as (drawing, (left, right)):
        plain(left, image, mask)
        left.set_title("Image" + (" and lungs (dotted)" if mask.any() else ""))
        shown = overlay(right, image, heat, mask)
        right.set_title("What speaks for " + row.predicted)
        drawing.colorbar(shown, ax=right, shrink=0.85, label="Heat, scaled to this image")
        drawing.suptitle(caption(row, ", "))


def sheet(path: Path, shown: list[tuple[Any, Images, Maps, Images]], columns: int) -> None:
    """Write the heatmaps of one class on one sheet: a row for each side of the split."""
    size = (2.1 * columns + 1.9, 2.5 * len(SPLITS) + 0.4)
    with figure(path, len(SPLITS), columns, figsize=size, squeeze=False) as (drawing, axes):
        for cell in axes.flat:
            cell.set(xticks=[], yticks=[], frame_on=False)
        for place, side in enumerate(SPLITS):
            axes[place, 0].set_ylabel(NAMES[side])
        for row, image, heat, mask in shown:
            cell = axes[SPLITS.index(row.split), row.slot - 1]
            last = overlay(cell, image, heat, mask)
            cell.set_title(
                caption(row, "\n"),
                color="black" if row.correct else "#C00000",
                fontsize=8,
            )
        drawing.colorbar(last, ax=axes, shrink=0.5, label="Heat, scaled to each image")
        drawing.suptitle(f"{shown[0][0].label}: what speaks for the predicted class (errors red)")


def plain(axes: Any, image: Images, mask: Images) -> None:
    """Draw a grey image and the outline of its lungs."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[], frame_on=False)
    if mask.any():
        axes.contour(mask > 0, levels=[0.5], colors="#56B4E9", linewidths=1, linestyles="dotted")


def overlay(axes: Any, image: Images, heat: Maps, mask: Images) -> Any:
    """Draw a heatmap over its image; an empty one says so."""
    plain(axes, image, mask)
    if not heat.any():
        middle = {"ha": "center", "va": "center", "transform": axes.transAxes}
        axes.text(0.5, 0.5, "empty map", color="white", backgroundcolor="black", **middle)
    axes.imshow(heat, cmap=COLOURS, vmin=0, vmax=1, alpha=OPACITY * heat)
    # For the colour bar: one that is not transparent.
    return ScalarMappable(Normalize(0, 1), COLOURS)


def caption(row: Any, separator: str) -> str:
    """True class, where it is known, and predicted class with their probabilities."""
    predicted = f"predicted {row.predicted} {row.p_predicted:.0%}"
    return f"true {row.label} {row.p_label:.0%}{separator}{predicted}" if row.label else predicted
