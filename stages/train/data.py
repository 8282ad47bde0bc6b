"""The images of a side of the split, in batches, from the memory-mapped pixel array."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import albumentations as A
import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_convert

from cxr.pipeline.errors import UserError
from cxr.pipeline.params import Train
from stages.train.augment import augmented
from stages.train.order import Key, Share, balanced, in_order, shuffled, used


@dataclass(frozen=True)
class Side:
    """One side of the split: `rows` of pixels.npy and their class numbers, both int64 (N,)."""

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


def sides(split: pd.DataFrame) -> tuple[Side, Side, list[str]]:
    """Take training and validation out of the split.

    Args:
        split: a table `cxr.pipeline.tables.Split`.

    Returns:
        training, validation, and the names of the classes, sorted.

    Raises:
        UserError: if a side is empty or a class can't be learned.
    """
    training, validation = (split[split["split"] == side] for side in ("train", "val"))
    for name, table in (("training", training), ("validation", validation)):
        if table.empty:
            raise UserError(
                f"data/split.csv has no {name} images: change split.folds or "
                "split.use_official_split in params.yaml, or add images."
            )
    classes = sorted(training["target"].unique())
    unknown = sorted(set(validation["target"]) - set(classes))
    if len(classes) < 2 or unknown:
        what = f"no training images of class '{unknown[0]}'" if unknown else "one class only"
        raise UserError(
            f"data/split.csv has {what}: change split.fold or labels in params.yaml, or add images."
        )
    return side(training, classes), side(validation, classes), classes


def side(table: pd.DataFrame, classes: list[str]) -> Side:
    """Rows and class numbers of a part of the split."""
    number = {name: index for index, name in enumerate(classes)}
    return Side(
        rows=table["row"].to_numpy(np.int64),
        labels=table["target"].map(number).to_numpy(np.int64),
    )


def mean_and_std(pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> tuple[float, float]:
    """Mean and standard deviation of all pixels of some images, as shares of full white.

    From the histogram: exact, in one pass, the same in any order.
    """
    histogram = np.zeros(256, np.int64)
    for row in rows:
        histogram += np.bincount(pixels[row].ravel(), minlength=256)
    grey = np.arange(256) / 255
    mean = float(np.average(grey, weights=histogram))
    std = float(np.sqrt(np.average((grey - mean) ** 2, weights=histogram)))
    return mean, max(std, 1 / 255)


class Images(Dataset[tuple[Tensor, Tensor]]):
    """Images of one side, augmented if a transform is given, fetched a batch at a time."""

    def __init__(self, path: Path, side: Side, seed: int, transform: A.Compose | None) -> None:
        self.path = path
        self.side = side
        self.seed = seed
        self.transform = transform

    def __getitems__(self, keys: Sequence[Key]) -> tuple[Tensor, Tensor]:
        """Images as uint8 (N, S, S) and class numbers as int64 (N,)."""
        # OpenCV's own threads only get in the way of torch's and of the worker processes.
        cv2.setNumThreads(0)
        # Opened for each batch (0.1 ms): an open map would be copied whole to a spawned worker.
        pixels = np.load(self.path, mmap_mode="r")
        batch = np.empty((len(keys), *pixels.shape[1:]), np.uint8)
        for place, (epoch, position, repeat) in enumerate(keys):
            row = int(self.side.rows[position])
            image = np.asarray(pixels[row])
            if self.transform is not None:
                image = augmented(self.transform, image, self.seed, epoch, row, repeat)
            batch[place] = image
        labels = self.side.labels[[position for _, position, _ in keys]]
        return torch.from_numpy(batch), torch.from_numpy(labels)


Loader = DataLoader[tuple[Tensor, Tensor]]


def loader(images: Images, settings: Train, pin_memory: bool) -> Loader:
    """Batches of training images (shuffled) or, without a transform, of validation images.

    Where several processes train together, each gets its share of every batch.

    Raises:
        UserError: if a batch can't be shared equally, or there are too few images to share.
    """
    processes = settings.devices * settings.nodes
    if settings.batch_size % processes or settings.batch_size < 2 * processes:
        raise UserError(
            f"params.yaml: train.batch_size: {settings.batch_size} images can't be shared equally "
            f"among {processes} processes (train.devices x train.nodes), at least two for each: "
            f"take a multiple of {processes}."
        )
    labels = images.side.labels
    length = len(labels)
    if length < processes:
        raise UserError(
            f"data/split.csv has {length} images on a side, fewer than the {processes} processes "
            "(train.devices x train.nodes) that share them: take fewer processes, or add images."
        )
    if images.transform is None:
        sampler = Share(lambda _: in_order(length), length)
    else:
        keys = (
            partial(balanced, labels, settings.seed)
            if settings.imbalance == "sampling"
            else partial(shuffled, length, settings.seed)
        )
        sampler = Share(keys, used(length, settings.batch_size, processes))
    return DataLoader(
        images,
        settings.batch_size // processes,
        sampler=sampler,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        collate_fn=default_convert,
        # Else workers would draw from the stream that dropout draws from.
        generator=torch.Generator(),
        pin_memory=pin_memory,
    )
