"""Plots of the training run: learning curves, and examples of augmented images."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from cxr.pipeline.errors import UserError
from cxr.pipeline.files import file_name
from cxr.plotting.figures import contact_sheet, figure

METRICS = {
    "loss": "Loss (class-weighted)",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "auroc": "AUROC",
}


def draw_training(
    folder: Path, epochs: Path, examples: Path, classes: list[str], size: int
) -> None:
    """Draw learning_curves.png and augmented.png from the files that training wrote.

    Args:
        epochs: the table of learning curves, from `stages.train.history.write_curves`.
        examples: the folder of augmented images.
        classes: of the network.
        size: side of its images in pixels.

    Raises:
        UserError: if one of the files is missing.
    """
    try:
        draw_learning_curves(folder / "learning_curves.png", epochs)
        draw_augmented(folder / "augmented.png", examples, classes, size)
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} is missing: `dvc repro` writes it.") from error


def draw_learning_curves(path: Path, epochs: Path) -> None:
    """Draw each metric of training and validation images by epoch, with the best epoch marked."""
    table = pd.read_csv(epochs).set_index("epoch")
    with figure(path, 2, 2, figsize=(9, 6.5), sharex=True) as (canvas, axes):
        for axis, (metric, title) in zip(axes.flat, METRICS.items(), strict=True):
            for side, name in (("train", "training"), ("val", "validation")):
                marker = "o" if len(table) < 30 else ""
                axis.plot(table[f"{side}_{metric}"], marker=marker, markersize=3.5, label=name)
            best = table["best"].idxmax()
            axis.axvline(best, color="0.4", linestyle="--", linewidth=1, label="best epoch")
            axis.set_title(title)
            axis.xaxis.get_major_locator().set_params(integer=True)
            if metric != "loss":
                axis.set_ylim(0, 1.02)
        for axis in axes[1]:
            axis.set_xlabel("Epoch")
        axes[0, 0].legend()
        canvas.suptitle("Learning curves (training images are augmented)")


def draw_augmented(path: Path, examples: Path, classes: list[str], size: int) -> None:
    """Draw training images as they are, and below each its augmented versions by epoch.

    Args:
        examples: the folder of <class>.png; see `split_grid`.
    """
    grids = [split_grid(examples / f"{file_name(name)}.png", size) for name in classes]
    originals = [image for grid in grids for image in grid[0]]
    images = [*originals]
    captions = [name for name, grid in zip(classes, grids, strict=True) for _ in grid[0]]
    for epoch in range(1, len(grids[0])):
        images += [image for grid in grids for image in grid[epoch]]
        captions += [f"epoch {epoch}"] * len(originals)
    title = "Training images: originals (top row), and as the network sees them in each epoch"
    contact_sheet(path, images, captions, len(originals), title)


def split_grid(path: Path, size: int) -> NDArray[np.uint8]:
    """Split a picture of adjacent square images, (rows, columns, size, size)."""
    with Image.open(path) as image:
        grid = np.asarray(image)
    rows, columns = (side // size for side in grid.shape)
    return grid.reshape(rows, size, columns, size).swapaxes(1, 2)
