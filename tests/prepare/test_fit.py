import numpy as np
import pytest
from PIL import Image

from stages.prepare import fit as module


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


@pytest.mark.parametrize("side", [96, 200, 299, 1000])
def test_shrinking_averages_so_that_fine_patterns_turn_grey(side: int) -> None:
    checks = np.indices((side, side)).sum(0) % 2 * 255
    assert np.ptp(fit(checks.astype(np.uint8), 32, "crop").astype(int)) <= 16
    slope = np.tile(np.linspace(0, 255, side), (side, 1)).astype(np.uint8)
    assert np.abs(fit(slope, 32, "crop").mean() - slope.mean()) < 1
