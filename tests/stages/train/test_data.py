import numpy as np
import pandas as pd
import pytest
import torch

from cxr.pipeline import tables
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import load
from stages.train import data
from stages.train.augment import build_transform
from stages.train.sampler import shuffled_keys
from tests.helpers.training import AUGMENT, PARAMS


@pytest.fixture
def split(small):
    return tables.read(small / "split.csv", tables.Split)


def batches(small, split, workers, epochs=(0, 1)):
    """What a loader gives in some epochs."""
    settings = load(PARAMS).training().model_copy(update={"workers": workers, "batch_size": 8})
    training, _, _ = data.train_and_val(split)
    images = data.XrayDataset(
        small / "pixels.npy", training, settings.seed, build_transform(AUGMENT)
    )
    loader = data.build_loader(images, settings, torch.device("cpu"))
    result = []
    for epoch in epochs:
        loader.sampler.set_epoch(epoch)
        result.append([torch.cat(parts) for parts in zip(*loader, strict=True)])
    return result


def test_batches_are_the_same_for_any_number_of_workers_and_differ_between_epochs(small, split):
    expected = batches(small, split, workers=0)
    for workers in (1, 2):
        for ours, theirs in zip(expected, batches(small, split, workers), strict=True):
            assert torch.equal(ours[0], theirs[0])
            assert torch.equal(ours[1], theirs[1])
    (first, first_labels), (second, second_labels) = expected
    # Neither in the same order, nor any image augmented in the same way.
    assert not torch.equal(first_labels, second_labels)
    assert not any(torch.equal(image, later) for image in first for later in second)


@pytest.mark.parametrize(
    ("device", "cores", "changes", "expected"),
    [
        ("cuda", 4, {}, 3),
        ("cuda", 64, {}, 12),
        ("cuda", 1, {}, 0),
        ("cuda", 8, {"devices": 2}, 3),
        ("cuda", 4, {"workers": 5}, 5),
        ("cpu", 64, {}, 0),
    ],
)
def test_as_many_processes_load_images_as_there_are_cores_for_them(
    monkeypatch, device, cores, changes, expected
):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    settings = load(PARAMS).training().model_copy(update=changes)
    assert data.loading_processes(settings, torch.device(device)) == expected


def test_an_epoch_shows_each_training_image_once(small, split):
    training, _, _ = data.train_and_val(split)
    keys = shuffled_keys(len(training), seed=3, epoch=1)
    assert sorted(keys) == [(1, position, 0) for position in range(36)]


def test_validation_images_come_as_they_are_in_order(small, split):
    _, validation, classes = data.train_and_val(split)
    images = data.XrayDataset(small / "pixels.npy", validation, 0, None)
    loader = data.build_loader(images, load(PARAMS).training(), torch.device("cpu"))
    pixels, labels = (torch.cat(parts) for parts in zip(*loader, strict=True))
    rows = split[split["split"] == "val"]
    assert np.array_equal(pixels, np.load(small / "pixels.npy")[rows["row"]])
    assert [classes[label] for label in labels] == list(rows["target"])


def test_a_last_batch_of_one_image_is_left_out(small, split):
    settings = load(PARAMS).training().model_copy(update={"batch_size": 7})
    training, _, _ = data.train_and_val(split)
    images = data.XrayDataset(small / "pixels.npy", training, 0, build_transform(AUGMENT))
    sizes = [len(labels) for _, labels in data.build_loader(images, settings, torch.device("cpu"))]
    assert sizes == [7] * 5


def test_mean_and_std(small, split):
    pixels = np.load(small / "pixels.npy", mmap_mode="r")
    rows = np.array([3, 1, 7])
    mean, std = data.mean_and_std(pixels, rows)
    assert mean == pytest.approx((pixels[rows] / 255).mean())
    assert std == pytest.approx((pixels[rows] / 255).std())
    assert data.mean_and_std(np.zeros((1, 4, 4), np.uint8), np.array([0])) == (0, 1 / 255)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda split: split["split"].replace("train", ""), "no training images"),
        (lambda split: split["split"].replace("val", ""), "no validation images"),
        (
            lambda split: split["split"].where(
                (split["target"] != "Normal") | (split["split"] != "train"), ""
            ),
            "no training images of class 'Normal'",
        ),
        (lambda split: split["split"].where(split["target"] == "Normal", ""), "only one class"),
    ],
)
def test_a_subset_that_nothing_can_be_learned_from_is_refused(split: pd.DataFrame, change, message):
    with pytest.raises(UserError, match=message):
        data.train_and_val(split.assign(split=change(split)))
