import cv2
import numpy as np
import pandas as pd
import pytest
from cxr.duplicates.pairs import (
    aligned_correlation,
    apply_symmetry,
    find_duplicate_pairs,
    high_pass,
)

from cxr.images.phash import phashes
from cxr.pipeline.params import load
from tests.helpers.closure import ROOT

SETTINGS = load(ROOT / "params.yaml").dedupe


def pictures(count: int, seed: int = 0) -> np.ndarray:
    """Smooth, unlike pictures, uint8 (count, 64, 64)."""
    noise = np.random.default_rng(seed).normal(size=(count, 64, 64))
    smooth = np.stack([cv2.GaussianBlur(image, (0, 0), 5) for image in noise])
    return (128 + 60 * smooth / smooth.std()).clip(0, 255).astype(np.uint8)


def found(pixels: np.ndarray, **changes: object) -> list[tuple[int, int]]:
    images = pd.DataFrame({"row": range(len(pixels)), "phash": phashes(pixels)})
    table = find_duplicate_pairs(images, pixels, SETTINGS.model_copy(update=changes))
    return list(zip(table["first"], table["second"], strict=True))


def test_brighter_blurred_and_noisy_copies_are_duplicates_and_others_are_not() -> None:
    pixels = pictures(6)
    noise = np.random.default_rng(1).normal(0, 4, pixels[0].shape)
    copies = [
        (pixels[0] * 0.7 + 50).astype(np.uint8),
        cv2.GaussianBlur(pixels[1], (0, 0), 1),
        (pixels[2] + noise).clip(0, 255).astype(np.uint8),
    ]
    assert found(np.concatenate([pixels, copies])) == [(0, 6), (1, 7), (2, 8)]


def test_a_candidate_whose_pixels_do_not_correlate_is_no_duplicate() -> None:
    pixels = pictures(2)
    images = pd.DataFrame({"row": [0, 1], "phash": ["0" * 64, "0" * 63 + "1"]})
    assert find_duplicate_pairs(images, pixels, SETTINGS).empty
    loose = SETTINGS.model_copy(update={"min_correlation": -1.0})
    assert find_duplicate_pairs(images, pixels, loose)["distance"].tolist() == [1]


@pytest.mark.parametrize("k", range(1, 8))
def test_rotated_and_flipped_copies_are_found_where_asked(k: int) -> None:
    pixels = pictures(4)
    rotated = np.concatenate([pixels, apply_symmetry(pixels[2], k)[None]])
    assert found(rotated) == []
    assert found(rotated, rotations_and_flips=True) == [(2, 4)]


def test_the_eight_symmetries_are_different() -> None:
    image = np.arange(9, dtype=np.uint8).reshape(3, 3)
    assert len({apply_symmetry(image, k).tobytes() for k in range(8)}) == 8
    assert (apply_symmetry(image, 0) == image).all()
    assert (apply_symmetry(image, 4) == image[:, ::-1]).all()


@pytest.mark.parametrize("share", [0.0, 0.03, 0.06])
def test_crops_shifts_and_writing_are_made_good(share: float) -> None:
    pixels = pictures(2)
    cut = round(64 * share)
    cropped = cv2.resize(pixels[0][cut : 64 - cut, cut : 64 - cut], (64, 64))
    cropped[:6, :30] = 255
    assert aligned_correlation(high_pass(pixels[0]), high_pass(cropped)) > 0.9
    assert aligned_correlation(high_pass(pixels[1]), high_pass(cropped)) < 0.6
    shifted = np.roll(pixels[0], (3, -3), (0, 1))
    assert aligned_correlation(high_pass(pixels[0]), high_pass(shifted)) > 0.9


def test_correlation_does_not_change_with_brightness_and_is_0_for_one_grey() -> None:
    image = pictures(1)[0]
    assert aligned_correlation(high_pass(image), high_pass(image)) == 1
    assert aligned_correlation(high_pass(image), high_pass(image // 2 + 60)) > 0.99
    assert aligned_correlation(high_pass(image), high_pass(255 - image)) < 0.5
    flat = np.full((64, 64), 7, np.uint8)
    assert aligned_correlation(high_pass(flat), high_pass(image)) == 0
