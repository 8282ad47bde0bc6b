"""Twins: pairs of images that show the same picture, found by hash and verified on pixels."""

import cv2
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray

from cxr.duplicates.hamming import near_across, near_pairs
from cxr.images.phash import phashes
from cxr.pipeline.params import Dedupe

# Pairs are compared at this size in pixels, whatever prepare.side is: enough to tell chests apart.
SIDE = 48
MIDDLE = 36
SCALES = (0.9, 0.95, 1.0, 1.05, 1.11)

# Standard deviation in grey levels below which an image shows nothing.
FLAT = 0.5


def twins(images: pd.DataFrame, pixels: NDArray[np.uint8], settings: Dedupe) -> pd.DataFrame:
    """All pairs of images that show the same picture.

    A candidate is a pair whose hashes differ in at most `settings.distance` bits; it is a twin
    pair if its pixels correlate by at least `settings.correlation`. With `settings.mirror`, one
    of the two may also be mirrored or turned by 90°, 180° or 270°.

    Args:
        images: with `row` and `phash`; index 0 to N-1.
        pixels: uint8 (rows, S, S), may be memory-mapped.

    Returns:
        `first`, `second` (positions, first < second), `distance` (bits, after turning) and
        `correlation`; sorted, each pair once.
    """
    rows, hashes = images["row"].to_numpy(), images["phash"].tolist()
    found = [verified(near_pairs(hashes, settings.distance), rows, pixels, 0, settings.correlation)]
    for turn in range(1, 8 if settings.mirror else 1):
        turned = phashes([laid(pixels[row], turn) for row in rows])
        candidates = near_across(hashes, turned, settings.distance)
        found.append(verified(candidates, rows, pixels, turn, settings.correlation))
    table = pd.concat(found, ignore_index=True)
    table = table.sort_values(["first", "second", "distance"], kind="stable")
    return table.drop_duplicates(["first", "second"], ignore_index=True)


def laid(image: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """A square laid down in one of eight ways: turned by 0° to 270° (0 to 3), then mirrored too.

    Args:
        image: (..., S, S).
        turn: 0 to 7; 0 leaves it as it is.
    """
    turned = np.rot90(image, turn % 4, axes=(-2, -1))
    return np.ascontiguousarray(turned[..., ::-1] if turn >= 4 else turned)


def verified(
    candidates: NDArray[np.int64],
    rows: NDArray[np.int64],
    pixels: NDArray[np.uint8],
    turn: int,
    least: float,
) -> pd.DataFrame:
    """Those candidates whose pixels correlate, the second image laid down by `turn`.

    Args:
        candidates: int (P, 3): first, second, distance; positions in `rows`.
    """
    compare = delayed(
        lambda first, second: aligned_correlation(
            detail(pixels[rows[first]]), detail(laid(pixels[rows[second]], turn))
        )
    )
    # OpenCV lets other threads run while it works.
    found = Parallel(n_jobs=-1, prefer="threads")(
        compare(first, second) for first, second, _ in candidates
    )
    table = pd.DataFrame(candidates, columns=["first", "second", "distance"])
    table["correlation"] = np.array(found, np.float64)
    return table[table["correlation"] >= least]


def detail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """An image at 48 x 48 without its coarse shades, in which all chests are alike.

    Args:
        image: uint8 (S, S).
    """
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(small - cv2.GaussianBlur(small, (0, 0), SIDE / 16), np.float32)


def aligned_correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """The largest normalised correlation of the middle of one image with any place in the other.

    The middle is tried in several sizes, so that crops, borders and shifts of up to a tenth are
    made good, and writing at the edges counts little. Does not change with brightness and
    contrast; 0 for images of one grey.

    Args:
        first, second: float32 (48, 48), see `detail`.

    Returns:
        -1 to 1, rounded to four digits, so that it is the same on any machine.
    """
    if first.std() < FLAT or second.std() < FLAT:
        return 0.0
    best = -1.0
    for scale in SCALES:
        size = round(SIDE * scale)
        scaled = cv2.resize(first, (size, size), interpolation=cv2.INTER_LINEAR)
        cut = (size - MIDDLE) // 2
        middle = scaled[cut : cut + MIDDLE, cut : cut + MIDDLE]
        best = max(best, float(cv2.matchTemplate(second, middle, cv2.TM_CCOEFF_NORMED).max()))
    return round(best, 4)
