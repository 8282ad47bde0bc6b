"""Twins: pairs of images that show the same picture, found by hash and verified on pixels."""

import cv2
import imagehash
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from stages.hashes import near_across, near_pairs
from stages.params import Dedupe

# 16 x 16 = 256 bits. At the usual 64, unlike chests are as near as copies.
HASH_SIZE = 16

# Shares of the side that a copy may have been cropped to, when pixels are compared.
CROPS = (0.98, 0.96, 0.94, 0.92, 0.9)

# Pairs verified at a time: bounds the memory.
BLOCK = 256


def phash(image: NDArray[np.uint8]) -> str:
    """The perceptual hash of a fitted image: 64 hexadecimal digits (imagehash's phash)."""
    return str(imagehash.phash(Image.fromarray(image), hash_size=HASH_SIZE))


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
        turned = [phash(laid(pixels[row], turn)) for row in rows]
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
    found = [np.empty(0)]
    for start in range(0, len(candidates), BLOCK):
        first, second, _ = candidates[start : start + BLOCK].T
        found.append(aligned_correlation(pixels[rows[first]], laid(pixels[rows[second]], turn)))
    table = pd.DataFrame(candidates, columns=["first", "second", "distance"])
    table["correlation"] = np.concatenate(found)
    return table[table["correlation"] >= least]


def aligned_correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The largest correlation over the scales at which one image may be a crop of the other.

    Args:
        first, second: uint8 (P, S, S).

    Returns:
        float64 (P,).
    """
    tries = [correlation(first, second)]
    for share in CROPS:
        tries.append(correlation(centre(first, share), second))
        tries.append(correlation(first, centre(second, share)))
    return np.max(tries, axis=0)


def centre(images: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """The middle of each image, a share of its side, enlarged to its size.

    Args:
        images: uint8 (P, S, S).
    """
    size = images.shape[1]
    cut = round(size * (1 - share) / 2)
    inside = images[:, cut : size - cut, cut : size - cut]
    resized = [cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR) for image in inside]
    return np.stack(resized)


def correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Pearson's correlation of the pixels, image by image; 0 for an image of one grey.

    It does not change with brightness and contrast.

    Args:
        first, second: uint8 (P, S, S).

    Returns:
        float64 (P,), rounded to six digits, so that it is the same on any machine.
    """
    a, b = (
        part.reshape(len(part), -1) - part.mean(axis=(1, 2))[:, None] for part in (first, second)
    )
    norms = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.round((a * b).sum(axis=1) / np.where(norms == 0, 1, norms), 6)
