import numpy as np
import pytest

from stages.params import Augment
from stages.train.augment import augmented, pipeline

OFF = {
    "rotate": 0.0,
    "zoom": 0.0,
    "shift": 0.0,
    "flip": 0.0,
    "vertical_flip": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "gamma": 0.0,
    "clahe": 0.0,
    "noise": 0.0,
    "erase": 0.0,
}
ON = Augment(**{**OFF, "rotate": 10.0, "zoom": 0.1, "shift": 0.1, "flip": 0.5, "brightness": 0.2})


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 200, (40, 40), dtype=np.uint8)


def test_the_same_seed_epoch_and_row_give_the_same_image_whatever_was_drawn_before(image):
    transform = pipeline(ON)
    once = augmented(transform, image, seed=1, epoch=2, row=3)
    augmented(transform, image, seed=1, epoch=2, row=4)
    assert np.array_equal(once, augmented(transform, image, seed=1, epoch=2, row=3))
    assert np.array_equal(once, augmented(pipeline(ON), image, seed=1, epoch=2, row=3))
    assert once.dtype == np.uint8
    assert once.shape == image.shape


@pytest.mark.parametrize("other", [(2, 2, 3), (1, 3, 3), (1, 2, 4)])
def test_another_seed_epoch_or_row_gives_another_image(image, other):
    transform = pipeline(ON)
    assert not np.array_equal(
        augmented(transform, image, 1, 2, 3), augmented(transform, image, *other)
    )


def test_all_off_changes_nothing(image):
    assert np.array_equal(augmented(pipeline(Augment(**OFF)), image, 0, 0, 0), image)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("flip", lambda image: image[:, ::-1]), ("vertical_flip", lambda image: image[::-1])],
)
def test_flips(image, setting, expected):
    transform = pipeline(Augment(**{**OFF, setting: 1.0}))
    assert np.array_equal(augmented(transform, image, 0, 0, 0), expected(image))


def test_rotation_zoom_and_shift_stay_within_their_limits():
    image = np.zeros((101, 101), np.uint8)
    image[45:56, 45:56] = 255
    transform = pipeline(Augment(**{**OFF, "zoom": 0.2, "shift": 0.1}))
    areas, centres = [], []
    for row in range(200):
        changed = augmented(transform, image, 0, 0, row).astype(float) / 255
        areas.append(changed.sum() / 121)
        centres.append((np.argwhere(changed > 0.5).mean(0) - 50) / 101)
    assert 0.6 < min(areas) < 0.75
    assert 1.3 < max(areas) < 1.5
    assert 0.08 < np.abs(centres).max() < 0.11
