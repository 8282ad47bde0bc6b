"""Figures in one style, and contact sheets. The same content gives the same bytes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from cxr.pipeline.files import atomic_write
from cxr.plotting.letters import families, number_unknown

STYLE: dict[Any, Any] = {
    "figure.dpi": 120,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    # Names of classes and files may contain dollar signs.
    "text.parse_math": False,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    # The palette of Okabe and Ito, for every kind of colour vision.
    "axes.prop_cycle": plt.cycler(
        color=[
            "#0072B2",
            "#D55E00",
            "#009E73",
            "#CC79A7",
            "#E69F00",
            "#56B4E9",
            "#000000",
            "#F0E442",
        ]
    ),
}


@contextmanager
def figure(
    path: Path, rows: int = 1, columns: int = 1, **options: Any
) -> Iterator[tuple[Any, Any]]:
    """Create a figure with axes, and write it to `path` when the block ends without an error.

    Args:
        path: a .png file.
        options: for `matplotlib.pyplot.subplots`, such as `figsize` in inches.
    """
    with plt.rc_context({**STYLE, "font.family": families()}):
        canvas, axes = plt.subplots(rows, columns, **options)
        try:
            yield canvas, axes
            for number, word in number_unknown(canvas).items():
                print(f"{path}: {number} is {word}, for which no font is installed")
            with atomic_write(path) as part:
                # matplotlib would write its version into the metadata.
                canvas.savefig(part, metadata={"Software": None})
        finally:
            plt.close(canvas)


def contact_sheet(
    path: Path,
    images: Sequence[NDArray[np.uint8]],
    captions: Sequence[str],
    columns: int,
    title: str = "",
) -> None:
    """Draw a grid of captioned images.

    Args:
        images: uint8, each (H, W) grey or (H, W, 3) RGB.
        captions: one for each image, of one or more lines.
        columns: images per row.
    """
    rows = max(1, -(-len(images) // columns))
    size = (columns * 1.9, rows * 2.35 + 0.5)
    with figure(path, rows, columns, figsize=size, squeeze=False) as (canvas, axes):
        canvas.suptitle(title)
        for cell in axes.flat:
            cell.set_axis_off()
        for cell, image, caption in zip(axes.flat, images, captions, strict=False):
            cell.imshow(image, cmap="gray", vmin=0, vmax=255)
            cell.set_title(caption, fontsize=7)


def short_name(image: str) -> str:
    """The end of a file's name, short enough for a caption in a contact sheet."""
    name = Path(image).name
    return name if len(name) <= 24 else f"…{name[-23:]}"
