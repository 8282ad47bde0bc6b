from collections import Counter

import numpy as np
import pytest
import torch

from cxr.pipeline import tables
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import load
from stages.train import data
from stages.train.augment import build_transform
from stages.train.sampler import ShardSampler, balanced_keys, sequential_keys, usable_length
from tests.helpers.training import AUGMENT, PARAMS


def test_balanced_sampling_shows_each_class_equally_often_and_wastes_no_image():
    labels = np.array([0] * 90 + [1] * 7 + [2] * 3)
    keys = balanced_keys(labels, seed=1, epoch=4)
    assert keys == balanced_keys(labels, seed=1, epoch=4)
    assert keys != balanced_keys(labels, seed=1, epoch=5)
    assert len(keys) == len(set(keys)) == 100
    assert Counter(labels[position] for _, position, _ in keys) == {0: 34, 1: 33, 2: 33}
    shown = Counter(position for _, position, _ in keys)
    assert {shown[position] for position in range(90)} == {0, 1}
    assert {shown[position] for position in range(90, 97)} == {4, 5}
    assert {shown[position] for position in range(97, 100)} == {11}
    # Not one class after the other.
    assert len(set(labels[[position for _, position, _ in keys[:20]]])) == 3


def test_an_image_that_is_shown_again_is_augmented_anew(small):
    training, _, _ = data.train_and_val(tables.read(small / "split.csv", tables.Split))
    images = data.XrayDataset(small / "pixels.npy", training, 0, build_transform(AUGMENT))
    (first, again), _ = images.__getitems__([(0, 5, 0), (0, 5, 1)])
    assert not (first == again).all()


@pytest.mark.parametrize(
    ("length", "batch_size", "processes", "expected"),
    [(36, 10, 1, 36), (31, 10, 1, 30), (33, 10, 2, 30), (34, 10, 2, 34), (30, 10, 2, 30)],
)
def test_a_last_batch_that_is_too_small_is_left_out(length, batch_size, processes, expected):
    assert usable_length(length, batch_size, processes) == expected


def test_processes_share_every_batch(monkeypatch):
    def batches(number: int, processes: int, size: int) -> list[set]:
        monkeypatch.setattr("stages.train.sampler.rank_and_world_size", lambda: (number, processes))
        share = ShardSampler(lambda _: sequential_keys(34), 34)
        keys = list(share)
        assert len(share) == len(keys)
        return [set(keys[start : start + size]) for start in range(0, len(keys), size)]

    whole = batches(0, 1, 10)
    halves = zip(batches(0, 2, 5), batches(1, 2, 5), strict=True)
    assert [first | second for first, second in halves] == whole


def test_fewer_images_than_processes_are_refused(small):
    settings = load(PARAMS).training().model_copy(update={"devices": 8, "batch_size": 16})
    few = data.Subset(np.arange(7), np.zeros(7, int))
    images = data.XrayDataset(small / "pixels.npy", few, 0, None)
    with pytest.raises(UserError, match=r"7 images.*8 processes"):
        data.build_loader(images, settings, torch.device("cpu"))


@pytest.mark.parametrize("batch_size", [9, 2])
def test_a_batch_that_can_not_be_shared_is_refused(small, batch_size):
    settings = load(PARAMS).training().model_copy(update={"devices": 2, "batch_size": batch_size})
    training, _, _ = data.train_and_val(tables.read(small / "split.csv", tables.Split))
    images = data.XrayDataset(small / "pixels.npy", training, 0, None)
    with pytest.raises(UserError, match=r"recipes\.scratch\.batch_size.*multiple of 2"):
        data.build_loader(images, settings, torch.device("cpu"))
