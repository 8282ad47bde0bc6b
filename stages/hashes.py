"""Perceptual hashes compared: which pairs of images differ in few bits."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BITS = 256
BLOCK = 2048


def bits(hashes: Sequence[str]) -> NDArray[np.float32]:
    """Hexadecimal hashes as rows of -1 and 1.

    Returns:
        float32 (N, 256).
    """
    if not len(hashes):
        return np.empty((0, BITS), np.float32)
    packed = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(len(hashes), -1)
    return np.unpackbits(packed, axis=1).astype(np.float32) * 2 - 1


def near_pairs(hashes: Sequence[str], distance: int) -> NDArray[np.int64]:
    """All pairs whose hashes differ in at most `distance` bits.

    The Hamming distance of two ±1 vectors a and b of n bits is (n - a·b) / 2, so a blocked
    matrix product finds all pairs; sums of 256 ones are exact in float32. Memory is bounded by
    the block, not by the number of images.

    Returns:
        int64 (pairs, 3): first image, second image (first < second), distance; sorted.
    """
    rows = bits(hashes)
    least = np.float32(BITS - 2 * distance)
    found = [np.empty((0, 3), np.int64)]
    for top in range(0, len(rows), BLOCK):
        upper = rows[top : top + BLOCK]
        for left in range(top, len(rows), BLOCK):
            products = upper @ rows[left : left + BLOCK].T
            first, second = np.nonzero(products >= least)
            apart = (BITS - products[first, second]).astype(np.int64) // 2
            pairs = np.stack([first + top, second + left, apart], axis=1)
            found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    pairs = np.concatenate(found)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
