"""Plots of the splits: class distribution and sample images."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.pipeline.tables import SPLITS
from cxr.plotting.figures import contact_sheet, figure, short_name

SAMPLES = 6


def draw_classes(path: Path, split: pd.DataFrame) -> None:
    """A bar chart: number of images of each class in each split."""
    table = pd.crosstab(split["target"], split["split"]).reindex(columns=list(SPLITS), fill_value=0)
    height = 0.24
    with figure(path, figsize=(7, 1 + 0.8 * len(table))) as (_, axes):
        for number, name in enumerate(SPLITS):
            places = np.arange(len(table)) + (number - 1) * height
            bars = axes.barh(places, table[name], height, label=f"{name} ({table[name].sum()})")
            axes.bar_label(bars, padding=3, fontsize=8)
        axes.set_yticks(range(len(table)), list(table.index))
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("images")
        axes.set_title("Images of each class after deduplication")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def draw_samples(path: Path, split: pd.DataFrame, pixels: NDArray[np.uint8]) -> None:
    """A contact sheet: the first training images of each class, one class a row."""
    images: list[NDArray[np.uint8]] = []
    captions: list[str] = []
    training = split[split["split"] == "train"]
    blank = np.full(pixels.shape[1:], 255, np.uint8)
    for target, members in training.groupby("target"):
        # Spread over the table, because neighbours are often of one patient.
        chosen = members.iloc[np.linspace(0, len(members) - 1, SAMPLES).astype(int)]
        chosen = chosen.drop_duplicates("image")
        images += [pixels[row] for row in chosen["row"]]
        captions += [f"{target}\n{name}" for name in chosen["image"].map(short_name)]
        images += [blank] * (SAMPLES - len(chosen))
        captions += [""] * (SAMPLES - len(chosen))
    contact_sheet(path, images, captions, SAMPLES, "Training images, as the network gets them")
