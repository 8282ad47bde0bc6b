"""Duplicate pairs: images that show the same picture, found by hash and verified on pixels."""

import cv2
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray

from cxr.duplicates.hamming import near_across, near_pairs
from cxr.images.phash import phashes
from cxr.pipeline.params import Dedupe

# Pairs are compared at this size in pixels, whatever prepare.image_size is: enough to tell
# different chests apart.
SIDE = 48
# Side of the central part of one image that is searched for in the other, after scaling.
CENTRE = 36
SCALES = (0.9, 0.95, 1.0, 1.05, 1.11)

# Images whose grey levels have a smaller standard deviation show nothing.
FLAT = 0.5


def find_duplicate_pairs(
    images: pd.DataFrame, pixels: NDArray[np.uint8], settings: Dedupe
) -> pd.DataFrame:
    """Find all pairs of images that show the same picture.

    A candidate is a pair whose hashes differ in at most `settings.max_distance` bits; it is a
    duplicate pair if its pixels correlate by at least `settings.min_correlation`. With
    `settings.rotations_and_flips`, one of the two may also be flipped or rotated by 90°, 180° or
    270°.

    Args:
        images: with `row` and `phash`; index 0 to N-1.
        pixels: uint8 (rows, S, S), may be memory-mapped.

    Returns:
        `first`, `second` (positions, first < second), `distance` (bits, after the rotation) and
        `correlation`; sorted, each pair once.
    """
    rows, hashes = images["row"].to_numpy(), images["phash"].tolist()
    tables = []
    for k in range(8 if settings.rotations_and_flips else 1):
        if k == 0:
            candidates = near_pairs(hashes, settings.max_distance)
        else:
            transformed = phashes([apply_symmetry(pixels[row], k) for row in rows])
            candidates = near_across(hashes, transformed, settings.max_distance)
        tables.append(verify_pairs(candidates, rows, pixels, k, settings.min_correlation))
    pairs = pd.concat(tables, ignore_index=True)
    pairs = pairs.sort_values(["first", "second", "distance"], kind="stable")
    return pairs.drop_duplicates(["first", "second"], ignore_index=True)


def apply_symmetry(image: NDArray[np.uint8], k: int) -> NDArray[np.uint8]:
    """Apply one of the eight symmetries of a square.

    Args:
        image: (..., S, S).
        k: 0 to 3: rotated by k · 90°; 4 to 7: rotated by (k - 4) · 90°, then mirrored.
    """
    rotated = np.rot90(image, k % 4, axes=(-2, -1))
    return np.ascontiguousarray(rotated[..., ::-1] if k >= 4 else rotated)


def verify_pairs(
    candidates: NDArray[np.int64],
    rows: NDArray[np.int64],
    pixels: NDArray[np.uint8],
    k: int,
    min_correlation: float,
) -> pd.DataFrame:
    """Keep the candidates whose pixels correlate, with symmetry `k` applied to the second image.

    Args:
        candidates: int (P, 3): first, second, distance; positions in `rows`.

    Returns:
        `first`, `second`, `distance` and `correlation`.
    """
    compare = delayed(
        lambda first, second: aligned_correlation(
            high_pass(pixels[rows[first]]), high_pass(apply_symmetry(pixels[rows[second]], k))
        )
    )
    # OpenCV releases the GIL.
    correlations = Parallel(n_jobs=-1, prefer="threads")(
        compare(first, second) for first, second, _ in candidates
    )
    pairs = pd.DataFrame(candidates, columns=["first", "second", "distance"])
    pairs["correlation"] = np.array(correlations, np.float64)
    return pairs[pairs["correlation"] >= min_correlation]


def high_pass(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Reduce an image to 48 x 48 and subtract its low frequencies, in which all chests are alike.

    Args:
        image: uint8 (S, S).
    """
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(small - cv2.GaussianBlur(small, (0, 0), SIDE / 16), np.float32)


def aligned_correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """The largest normalized correlation of the centre of one image with any place in the other.

    The centre is tried at several scales, which compensates for crops, borders and shifts of up
    to a tenth, and gives little weight to writing at the edges. Invariant to brightness and
    contrast; 0 for uniform images.

    Args:
        first, second: float32 (48, 48), see `high_pass`.

    Returns:
        -1 to 1, rounded to four digits, so that it is the same on any machine.
    """
    if first.std() < FLAT or second.std() < FLAT:
        return 0.0
    best = -1.0
    for scale in SCALES:
        size = round(SIDE * scale)
        scaled = cv2.resize(first, (size, size), interpolation=cv2.INTER_LINEAR)
        start = (size - CENTRE) // 2
        centre = scaled[start : start + CENTRE, start : start + CENTRE]
        best = max(best, float(cv2.matchTemplate(second, centre, cv2.TM_CCOEFF_NORMED).max()))
    return round(best, 4)
