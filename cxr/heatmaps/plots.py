"""Figures of heatmaps, with file names that do not depend on the network."""

from pathlib import Path
from textwrap import fill, wrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from cxr.heatmaps.belief import Verdict
from cxr.heatmaps.explainer import Images, Maps
from cxr.pipeline.files import file_name
from cxr.pipeline.tables import SPLITS
from cxr.plotting.figures import figure, short_name

# Its brightness grows with the heat, so it reads in grey, and it was made for the colour-blind
# (Nuñez et al. 2018). Low values are transparent.
COLOUR_MAP = "cividis"
LUNG_COLOUR = "#56B4E9"
LESION_COLOUR = "#D55E00"
OPACITY = 0.75
LOW_HEAT = "Low heat is transparent."
LEGEND = f"Orange line: lesion. Dotted blue line: lungs. {LOW_HEAT}"
SUBSET_NAMES = {"train": "training", "val": "validation", "test": "test"}
NOVEL_COLUMNS = 2

# A row of the table, the image, its heatmap, its lung mask, its lesion mask.
Cell = tuple[Any, Images, Maps, Images, Images]


def draw_class_sheets(
    folder: Path,
    table: pd.DataFrame,
    images: Images,
    maps: Maps,
    masks: Images,
    lesions: Images,
    verdict: Verdict,
) -> None:
    """Write a sheet for each class, `<class>.png`, with a row for each subset of the split.

    Args:
        table: N rows with `image`, `split`, `target`, `slot`, `correct`, `predicted`, `p_target`
            and `p_predicted`.
        images, masks, lesions: uint8 (N, S, S); a mask that is all zero is not drawn.
        maps: (N, S, S), 0 to 1.
        verdict: whether the maps can be believed, for the titles.
    """
    cells = list(zip(table.itertuples(), images, maps, masks, lesions, strict=True))
    for target in sorted(table["target"].unique()):
        members = [cell for cell in cells if cell[0].target == target]
        rows = [
            (SUBSET_NAMES[subset], [cell for cell in members if cell[0].split == subset])
            for subset in SPLITS
        ]
        title = f"{target}: evidence for the predicted class (errors in red)"
        title += f"\n{verdict.of_class(target)}\n{LEGEND}"
        # The file name is escaped, because a class may be called "bacterial/viral".
        draw_sheet(folder / f"{file_name(target)}.png", rows, title)


def draw_novel_sheet(
    folder: Path, table: pd.DataFrame, images: Images, maps: Maps, verdict: str
) -> None:
    """Write a sheet of images without a label, novel.png, if there are any."""
    none = np.zeros_like(images)
    cells = list(zip(table.itertuples(), images, maps, none, none, strict=True))
    if cells:
        starts = range(0, len(cells), NOVEL_COLUMNS)
        rows = [("", cells[start : start + NOVEL_COLUMNS]) for start in starts]
        title = f"Novel images: evidence for the predicted class\n{verdict}\n{LOW_HEAT}"
        draw_sheet(folder / "novel.png", rows, title)


def draw_sheet(path: Path, rows: list[tuple[str, list[Cell]]], title: str) -> None:
    """Write rows of images, each next to the same image with its heatmap.

    Args:
        rows: names and cells; at least one cell in total.
    """
    columns = max(len(cells) for _, cells in rows)
    width = 3.9 * columns + 1.2
    lines = "\n".join(fill(line, round(9 * width)) for line in title.split("\n")).split("\n")
    size = (width, 2.4 * len(rows) + 0.2 * len(lines))
    with figure(path, len(rows), 2 * columns, figsize=size, squeeze=False) as (drawing, grid):
        for axes in grid.flat:
            axes.set(xticks=[], yticks=[], frame_on=False)
        for row_axes, (name, cells) in zip(grid, rows, strict=True):
            row_axes[0].set_ylabel(name)
            for column, (row, image, heat, mask, lesion) in enumerate(cells):
                left, right = row_axes[2 * column], row_axes[2 * column + 1]
                show_image(left, image, mask, lesion)
                left.set_title(short_name(row.image), fontsize=8)
                colours = show_overlay(right, image, heat, mask, lesion)
                wrong = bool(row.target) and not row.correct
                right.set_title(
                    caption(row, "\n"), color="#C00000" if wrong else "black", fontsize=8
                )
        drawing.colorbar(colours, ax=grid, shrink=0.6, label="Heat (scaled per image)")
        drawing.suptitle("\n".join(lines))


def draw_single(path: Path, row: Any, image: Images, heat: Maps, verdict: str) -> None:
    """Write one image next to the same image with its heatmap."""
    with figure(path, 1, 2, figsize=(7.4, 4.2)) as (drawing, (left, right)):
        none = np.zeros_like(image)
        show_image(left, image, none, none)
        left.set_title("Image")
        colours = show_overlay(right, image, heat, none, none)
        right.set_title("Evidence for " + row.predicted)
        drawing.colorbar(colours, ax=right, shrink=0.85, label="Heat (scaled per image)")
        drawing.suptitle("\n".join([caption(row, ", "), *wrap(verdict, 80)]), fontsize=9)


def show_image(axes: Any, image: Images, mask: Images, lesion: Images) -> None:
    """Show a grey image with the outlines of its lungs (dotted) and its lesion."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[], frame_on=False)
    outlines = ((mask, LUNG_COLOUR, "dotted"), (lesion, LESION_COLOUR, "solid"))
    for region, colour, style in outlines:
        if region.any():
            axes.contour(region > 0, levels=[0.5], colors=colour, linewidths=1, linestyles=style)


def show_overlay(
    axes: Any, image: Images, heat: Maps, mask: Images, lesion: Images
) -> ScalarMappable:
    """Show an image with its heatmap, or a note if the map is empty.

    Returns:
        the colours for the colour bar, without transparency.
    """
    show_image(axes, image, mask, lesion)
    if not heat.any():
        centre = {"ha": "center", "va": "center", "transform": axes.transAxes}
        axes.text(0.5, 0.5, "empty map", color="white", backgroundcolor="black", **centre)
    axes.imshow(heat, cmap=COLOUR_MAP, vmin=0, vmax=1, alpha=OPACITY * heat)
    return ScalarMappable(Normalize(0, 1), COLOUR_MAP)


def caption(row: Any, separator: str) -> str:
    """Name the true class, if it is known, and the predicted class, with their probabilities."""
    predicted = f"predicted {row.predicted} {row.p_predicted:.0%}"
    return (
        f"true {row.target} {row.p_target:.0%}{separator}{predicted}" if row.target else predicted
    )
