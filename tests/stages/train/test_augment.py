import numpy as np
import pytest

from cxr.pipeline.params import Augment
from stages.train.augment import augment, build_transform
from tests.helpers.training import OFF

ON = Augment(
    **{**OFF, "rotate": 10.0, "zoom": 0.1, "shift": 0.1, "horizontal_flip": 0.5, "brightness": 0.2}
)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 200, (40, 40), dtype=np.uint8)


def test_the_same_seed_epoch_and_row_give_the_same_image_whatever_was_drawn_before(image):
    transform = build_transform(ON)
    once = augment(transform, image, seed=1, epoch=2, row=3)
    augment(transform, image, seed=1, epoch=2, row=4)
    assert np.array_equal(once, augment(transform, image, seed=1, epoch=2, row=3))
    assert np.array_equal(once, augment(build_transform(ON), image, seed=1, epoch=2, row=3))
    assert once.dtype == np.uint8
    assert once.shape == image.shape


@pytest.mark.parametrize("other", [(2, 2, 3), (1, 3, 3), (1, 2, 4)])
def test_another_seed_epoch_or_row_gives_another_image(image, other):
    transform = build_transform(ON)
    assert not np.array_equal(augment(transform, image, 1, 2, 3), augment(transform, image, *other))


def test_all_off_changes_nothing(image):
    assert np.array_equal(augment(build_transform(Augment(**OFF)), image, 0, 0, 0), image)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("horizontal_flip", lambda image: image[:, ::-1]),
        ("vertical_flip", lambda image: image[::-1]),
    ],
)
def test_flips(image, setting, expected):
    transform = build_transform(Augment(**{**OFF, setting: 1.0}))
    assert np.array_equal(augment(transform, image, 0, 0, 0), expected(image))


def test_steps_do_not_draw_the_same_numbers(image):
    transform = build_transform(Augment(**{**OFF, "horizontal_flip": 0.5, "vertical_flip": 0.5}))
    kinds = {augment(transform, image, 0, 0, row).tobytes() for row in range(40)}
    assert kinds == {image[::a, ::b].tobytes() for a in (1, -1) for b in (1, -1)}


def test_rotation_zoom_and_shift_stay_within_their_limits():
    image = np.zeros((101, 101), np.uint8)
    image[45:56, 45:56] = 255
    transform = build_transform(Augment(**{**OFF, "zoom": 0.2, "shift": 0.1}))
    areas, centres = [], []
    for row in range(200):
        changed = augment(transform, image, 0, 0, row).astype(float) / 255
        areas.append(changed.sum() / 121)
        centres.append((np.argwhere(changed > 0.5).mean(0) - 50) / 101)
    assert 0.6 < min(areas) < 0.75
    assert 1.3 < max(areas) < 1.5
    assert 0.08 < np.abs(centres).max() < 0.11


def versions(image: np.ndarray, count: int = 200, **settings: float) -> np.ndarray:
    """What becomes of an image, in fractions of white."""
    transform = build_transform(Augment(**{**OFF, **settings}))
    return np.stack([augment(transform, image, 0, 0, row) for row in range(count)]) / 255


def test_gamma_is_a_power_of_the_grey_value():
    image = np.full((8, 8), 64, np.uint8)
    exponents = np.log(versions(image, gamma=0.3)[:, 0, 0]) / np.log(64 / 255)
    assert 0.69 < exponents.min() < 0.73
    assert 1.27 < exponents.max() < 1.31


def test_noise_has_up_to_the_standard_deviation():
    image = np.full((64, 64), 128, np.uint8)
    changed = versions(image, noise=0.1)
    assert 0.095 < changed.std((1, 2)).max() < 0.105
    assert changed.std((1, 2)).min() < 0.01
    assert abs(changed.mean() - 128 / 255) < 0.002


def test_squares_are_erased_from_as_many_images_as_asked_for():
    image = np.full((100, 100), 255, np.uint8)
    black = (versions(image, erase=0.5) == 0).mean((1, 2))
    assert 0.4 < (black > 0).mean() < 0.6
    assert black[black > 0].min() >= 0.01
    assert black.max() <= 4 * 0.04


def test_clahe_strengthens_local_contrast():
    image = np.random.default_rng(0).integers(100, 110, (64, 64), dtype=np.uint8)
    assert versions(image, 20, clahe=1.0).std((1, 2)).mean() > 1.5 * (image / 255).std()
