"""Which images an epoch shows, in which order, and which of several processes gets which."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch.distributed
from numpy.typing import NDArray
from torch.utils.data import Sampler

from stages.train.seeding import seeded

Key = tuple[int, int, int]
"""(epoch, position, repeat): the image at a position of the side, shown in an epoch for the
first time (0) or again. A dataset that is asked for all three needs no state of its own, so that
worker processes can't fall behind."""


def process() -> tuple[int, int]:
    """This process's number, from 0, and how many train together."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


class Share(Sampler[Key]):
    """This process's share of the keys of an epoch: every n-th, so that batches stay together.

    Args:
        keys: all of them, by epoch.
        length: how many of them are used.
    """

    def __init__(self, keys: Callable[[int], Sequence[Key]], length: int) -> None:
        self.keys = keys
        self.length = length
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch. Lightning calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        number, processes = process()
        return len(range(number, self.length, processes))

    def __iter__(self) -> Iterator[Key]:
        number, processes = process()
        return iter(self.keys(self.epoch)[number : self.length : processes])


def in_order(length: int) -> list[Key]:
    """Each image as it stands in the table."""
    return [(0, position, 0) for position in range(length)]


def shuffled(length: int, seed: int, epoch: int) -> list[Key]:
    """Each image once, in an order drawn from (seed, epoch)."""
    order = np.random.default_rng(seeded("order", seed, epoch)).permutation(length)
    return [(epoch, int(position), 0) for position in order]


def balanced(labels: NDArray[np.int64], seed: int, epoch: int) -> list[Key]:
    """As many keys as images, each class equally often, drawn from (seed, epoch).

    Within a class, no image comes again before all others have come: random draws with
    replacement would leave out a third of a class in each epoch.
    """
    random = np.random.default_rng(seeded("order", seed, epoch))
    classes = np.unique(labels)
    keys: list[Key] = []
    for place, number in enumerate(classes):
        members = np.flatnonzero(labels == number)
        quota = len(labels) // len(classes) + (place < len(labels) % len(classes))
        rounds = -(-quota // len(members))
        of_class = [
            (epoch, int(position), repeat)
            for repeat in range(rounds)
            for position in random.permutation(members)
        ]
        keys += of_class[:quota]
    return [keys[place] for place in random.permutation(len(keys))]


def used(length: int, batch_size: int, processes: int) -> int:
    """How many images of an epoch are trained on.

    Batch normalisation can't learn from a single image: a last batch that would leave a process
    with less than two is left out, for another epoch.
    """
    last = length % batch_size
    return length - last if last < 2 * processes else length
