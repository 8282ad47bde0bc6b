"""Training and validation images, read in batches from the memory-mapped pixel array."""

import os
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
from cxr.pipeline.params import Training
from cxr.pipeline.tables import class_indices
from stages.train.augment import augment
from stages.train.sampler import (
    SampleKey,
    ShardSampler,
    balanced_keys,
    sequential_keys,
    shuffled_keys,
    usable_length,
)


@dataclass(frozen=True)
class Subset:
    """One subset of the split: `rows` of pixels.npy and class indices, both int64 (N,)."""

    rows: NDArray[np.int64]
    targets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


def train_and_val(split: pd.DataFrame) -> tuple[Subset, Subset, list[str]]:
    """Return the training subset, the validation subset and the sorted class names.

    Args:
        split: a table `cxr.pipeline.tables.Split`.

    Raises:
        UserError: if a subset is empty, or training has one class or lacks one of validation's.
    """
    training, validation = (split[split["split"] == subset] for subset in ("train", "val"))
    for name, table in (("training", training), ("validation", validation)):
        if table.empty:
            raise UserError(
                f"data/split.csv has no {name} images: change split.folds or "
                "split.use_official_split in params.yaml, or add images."
            )
    classes = sorted(training["target"].unique())
    unknown = sorted(set(validation["target"]) - set(classes))
    if len(classes) < 2 or unknown:
        problem = f"no training images of class '{unknown[0]}'" if unknown else "only one class"
        raise UserError(
            f"data/split.csv has {problem}: change split.fold or labels in params.yaml, "
            "or add images."
        )
    return to_subset(training, classes), to_subset(validation, classes), classes


def to_subset(table: pd.DataFrame, classes: list[str]) -> Subset:
    """Take the rows and class indices from a part of the split."""
    return Subset(table["row"].to_numpy(np.int64), class_indices(table["target"], classes))


def mean_and_std(pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> tuple[float, float]:
    """Compute mean and standard deviation of all pixels of some images, as fractions of white.

    They are computed from the histogram: exact, in one pass, and independent of the order.
    """
    histogram = np.zeros(256, np.int64)
    for row in rows:
        histogram += np.bincount(pixels[row].ravel(), minlength=256)
    grey = np.arange(256) / 255
    mean = float(np.average(grey, weights=histogram))
    std = float(np.sqrt(np.average((grey - mean) ** 2, weights=histogram)))
    return mean, max(std, 1 / 255)


class XrayDataset(Dataset[tuple[Tensor, Tensor]]):
    """Images of a subset, augmented if a transform is given, read one batch at a time.

    Args:
        path: pixels.npy.
    """

    def __init__(self, path: Path, subset: Subset, seed: int, transform: A.Compose | None) -> None:
        self.path = path
        self.subset = subset
        self.seed = seed
        self.transform = transform

    def __getitems__(self, keys: Sequence[SampleKey]) -> tuple[Tensor, Tensor]:
        """Return images as uint8 (N, S, S) and class indices as int64 (N,)."""
        # OpenCV's threads compete with those of torch and with the worker processes.
        cv2.setNumThreads(0)
        # Opened for each batch (0.1 ms): a spawned worker would get a full copy of an open map.
        pixels = np.load(self.path, mmap_mode="r")
        batch = np.empty((len(keys), *pixels.shape[1:]), np.uint8)
        for index, (epoch, position, repeat) in enumerate(keys):
            row = int(self.subset.rows[position])
            image = np.asarray(pixels[row])
            if self.transform is not None:
                image = augment(self.transform, image, self.seed, epoch, row, repeat)
            batch[index] = image
        targets = self.subset.targets[[position for _, position, _ in keys]]
        return torch.from_numpy(batch), torch.from_numpy(targets)


Loader = DataLoader[tuple[Tensor, Tensor]]

MOST_WORKERS = 12
"""Of `train.workers: auto`. More do not help an H100 that trains a resnet18 (docs/training.md)."""


def build_loader(dataset: XrayDataset, settings: Training, device: torch.device) -> Loader:
    """Build the loader of training images (shuffled) or, without a transform, validation images.

    With several processes, each gets an equal share of every batch.

    Args:
        device: where the batches will go.

    Raises:
        UserError: if a batch cannot be divided equally, or there are fewer images than processes.
    """
    processes = settings.devices * settings.nodes
    if settings.batch_size % processes or settings.batch_size < 2 * processes:
        raise UserError(
            f"params.yaml: recipes.{settings.recipe}.batch_size: {settings.batch_size} images "
            f"cannot be divided equally among {processes} processes (train.devices x train.nodes) "
            f"with at least two each: choose a multiple of {processes}."
        )
    targets = dataset.subset.targets
    length = len(targets)
    if length < processes:
        raise UserError(
            f"data/split.csv has a subset of {length} images, fewer than the {processes} processes "
            "(train.devices x train.nodes): use fewer processes, or add images."
        )
    if dataset.transform is None:
        sampler = ShardSampler(lambda _: sequential_keys(length), length)
    else:
        epoch_keys = (
            partial(balanced_keys, targets, settings.seed)
            if settings.imbalance == "sampling"
            else partial(shuffled_keys, length, settings.seed)
        )
        sampler = ShardSampler(epoch_keys, usable_length(length, settings.batch_size, processes))
    workers = loading_processes(settings, device)
    return DataLoader(
        dataset,
        settings.batch_size // processes,
        sampler=sampler,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=default_convert,
        # Otherwise workers draw from the generator that dropout uses.
        generator=torch.Generator(),
        # The GPU copies from pinned memory while the CPU continues.
        pin_memory=device.type == "cuda",
    )


def loading_processes(settings: Training, device: torch.device) -> int:
    """How many processes load images for each process that trains: `train.workers`.

    auto: on a GPU, one fewer than the cores for each process that trains, at most 12; none on a
    CPU.
    """
    if settings.workers != "auto":
        return settings.workers
    if device.type == "cpu":
        return 0
    # Not os.cpu_count(), which also counts what a container or a cluster's job may not use.
    cores = len(os.sched_getaffinity(0)) // settings.devices
    return max(0, min(MOST_WORKERS, cores - 1))
