"""Samplers: which images an epoch uses, in which order, and in which process."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch.distributed
from numpy.typing import NDArray
from torch.utils.data import Sampler

from stages.train.seeding import seed_sequence

SampleKey = tuple[int, int, int]
"""(epoch, position, repeat): position in the subset, and how often the epoch has used the image
before. The three together determine the augmentation, so that the dataset needs no state and worker
processes cannot be out of step."""


def rank_and_world_size() -> tuple[int, int]:
    """Return this process's index, from 0, and the number of processes that train together."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


class ShardSampler(Sampler[SampleKey]):
    """Every n-th key for each of n processes, so that together they see the same batches.

    Args:
        epoch_keys: returns all keys of an epoch.
        length: how many of them are used.
    """

    def __init__(self, epoch_keys: Callable[[int], Sequence[SampleKey]], length: int) -> None:
        self.epoch_keys = epoch_keys
        self.length = length
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch. Lightning calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        rank, world_size = rank_and_world_size()
        return len(range(rank, self.length, world_size))

    def __iter__(self) -> Iterator[SampleKey]:
        rank, world_size = rank_and_world_size()
        return iter(self.epoch_keys(self.epoch)[rank : self.length : world_size])


def sequential_keys(length: int) -> list[SampleKey]:
    """Each image once, in the order of the table."""
    return [(0, position, 0) for position in range(length)]


def shuffled_keys(length: int, seed: int, epoch: int) -> list[SampleKey]:
    """Each image once, in an order that depends on seed and epoch."""
    order = np.random.default_rng(seed_sequence("order", seed, epoch)).permutation(length)
    return [(epoch, int(position), 0) for position in order]


def balanced_keys(targets: NDArray[np.int64], seed: int, epoch: int) -> list[SampleKey]:
    """As many keys as images, with all classes equally often.

    Within a class, no image is repeated before all others were used. Random draws with
    replacement would miss a third of a class in each epoch.
    """
    random = np.random.default_rng(seed_sequence("order", seed, epoch))
    classes = np.unique(targets)
    keys: list[SampleKey] = []
    for index, target in enumerate(classes):
        members = np.flatnonzero(targets == target)
        quota = len(targets) // len(classes) + (index < len(targets) % len(classes))
        repeats = -(-quota // len(members))
        class_keys = [
            (epoch, int(position), repeat)
            for repeat in range(repeats)
            for position in random.permutation(members)
        ]
        keys += class_keys[:quota]
    return [keys[index] for index in random.permutation(len(keys))]


def usable_length(length: int, batch_size: int, world_size: int) -> int:
    """Return how many images of an epoch are used for training.

    Batch normalization cannot train on a single image. So a last batch with less than two images
    for each process is left out of this epoch.
    """
    last_batch = length % batch_size
    return length - last_batch if last_batch < 2 * world_size else length
