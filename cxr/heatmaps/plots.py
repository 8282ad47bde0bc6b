"""Heatmaps as pictures, under names that are the same for every network."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from cxr.pipeline.files import file_name
from cxr.pipeline.tables import SPLITS
from cxr.plotting.figures import figure, short_name

# Yellow to red, told from grey anatomy at any brightness; transparent where there is no heat.
COLOURS = "YlOrRd"
OPACITY = 0.75
NAMES = {"train": "training", "val": "validation", "test": "test"}
COLUMNS = 2
"""Novel images in a row."""

Images = NDArray[np.uint8]
Maps = NDArray[np.float32]
# What was made of an image, the image, its heatmap, its lungs.
Cell = tuple[Any, Images, Maps, Images]


def draw(folder: Path, shown: pd.DataFrame, images: Images, maps: Maps, masks: Images) -> None:
    """Write a sheet for each class, `<class>.png`: a row for each side of the split.

    Args:
        shown: N rows with `image`, `split`, `target`, `slot`, `correct`, `predicted`, `p_target`
            and `p_predicted`.
        images, masks: (N, S, S); a mask that is all zero is not drawn.
        maps: (N, S, S), 0 to 1.
    """
    cells = list(zip(shown.itertuples(), images, maps, masks, strict=True))
    for label in sorted(shown["target"].unique()):
        own = [cell for cell in cells if cell[0].target == label]
        rows = [(NAMES[side], [cell for cell in own if cell[0].split == side]) for side in SPLITS]
        title = f"{label}: what speaks for the predicted class (errors in red)"
        # Quoted, because a class may be called "bacterial/viral".
        sheet(folder / f"{file_name(label)}.png", rows, title)


def draw_novel(folder: Path, shown: pd.DataFrame, images: Images, maps: Maps) -> None:
    """Write a sheet of images without a label, novel.png; nothing if there are none."""
    cells = list(zip(shown.itertuples(), images, maps, np.zeros_like(images), strict=True))
    if cells:
        starts = range(0, len(cells), COLUMNS)
        rows = [("", cells[start : start + COLUMNS]) for start in starts]
        sheet(folder / "novel.png", rows, "Novel images: what speaks for the predicted class")


def sheet(path: Path, rows: list[tuple[str, list[Cell]]], title: str) -> None:
    """Write rows of images, each beside the same image under its heatmap.

    Args:
        rows: their names and images; at least one image in all.
    """
    most = max(len(cells) for _, cells in rows)
    size = (3.9 * most + 1.2, 2.4 * len(rows) + 0.5)
    with figure(path, len(rows), 2 * most, figsize=size, squeeze=False) as (drawing, axes):
        for cell in axes.flat:
            cell.set(xticks=[], yticks=[], frame_on=False)
        for places, (name, cells) in zip(axes, rows, strict=True):
            places[0].set_ylabel(name)
            for slot, (row, image, heat, mask) in enumerate(cells):
                plain(places[2 * slot], image, mask)
                places[2 * slot].set_title(short_name(row.image), fontsize=8)
                last = overlay(places[2 * slot + 1], image, heat, mask)
                wrong = bool(row.target) and not row.correct
                places[2 * slot + 1].set_title(
                    caption(row, "\n"), color="#C00000" if wrong else "black", fontsize=8
                )
        drawing.colorbar(last, ax=axes, shrink=0.6, label="Heat, scaled to each image")
        drawing.suptitle(title)


def single(path: Path, row: Any, image: Images, heat: Maps, mask: Images) -> None:
    """Write an image beside the same image under its heatmap."""
    with figure(path, 1, 2, figsize=(7.4, 3.9)) as (drawing, (left, right)):
        plain(left, image, mask)
        left.set_title("Image" + (" and lungs (dotted)" if mask.any() else ""))
        shown = overlay(right, image, heat, mask)
        right.set_title("What speaks for " + row.predicted)
        drawing.colorbar(shown, ax=right, shrink=0.85, label="Heat, scaled to this image")
        drawing.suptitle(caption(row, ", "))


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
    return (
        f"true {row.target} {row.p_target:.0%}{separator}{predicted}" if row.target else predicted
    )
