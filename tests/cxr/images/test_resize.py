import cv2
import numpy as np
import pytest
from PIL import Image

from cxr.images import resize as module


def fit(grey: np.ndarray, size: int, how: str) -> np.ndarray:
    return module.fit(Image.fromarray(grey), size, how)


def test_crop_keeps_the_centre() -> None:
    wide = np.zeros((40, 80), np.uint8)
    wide[:, 20:60] = 200
    assert (fit(wide, 20, "crop")[:, 1:-1] == 200).all()
    assert fit(wide.T, 20, "crop")[1:-1].min() == 200


def test_pad_keeps_all_and_adds_black() -> None:
    wide = np.full((40, 80), 200, np.uint8)
    padded = fit(wide, 40, "pad")
    assert (padded[10:30] == 200).all()
    assert (padded[:9] == 0).all()
    assert (padded[31:] == 0).all()


def test_stretch_fills_the_square() -> None:
    assert (fit(np.full((40, 80), 200, np.uint8), 32, "stretch") == 200).all()


@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("shape", [(40, 90), (90, 40), (1000, 40), (100, 2000), (64, 64)])
def test_any_shape_becomes_the_square(how: str, shape: tuple[int, int]) -> None:
    result = fit(np.full(shape, 200, np.uint8), 64, how)
    assert (result.shape, result.dtype) == ((64, 64), np.uint8)
    assert result[32, 32] == 200


@pytest.mark.parametrize("side", [64, 128, 1920])
def test_shrinking_is_area_averaging(side: int) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (side, side), np.uint8)
    step = side // 16
    mean = grey.reshape(16, step, 16, step).mean((1, 3))
    assert np.abs(fit(grey, 16, "crop") - mean).max() <= 1.5


def test_reducing_first_moves_levels_by_little() -> None:
    ramp = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 12), np.uint8))
    grey = np.asarray(ramp.resize((1111, 1111), Image.Resampling.BICUBIC))
    exact = cv2.resize(grey, (64, 64), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(fit(grey, 64, "crop") - exact).max() <= 5
