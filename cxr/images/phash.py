"""Perceptual hashes of images."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# 16 x 16 = 256 bits. With the usual 64 bits, different chests are as close as copies.
HASH_SIZE = 16
# Side in pixels of the image that is hashed; the same as that of thumbnails.
SIDE = 4 * HASH_SIZE

# The lowest frequencies of the discrete cosine transform (type II, not normalized).
_FREQUENCY, _PLACE = np.ogrid[:HASH_SIZE, :SIDE]
COSINES = 2 * np.cos(np.pi * _FREQUENCY * (2 * _PLACE + 1) / (2 * SIDE))


def phashes(pictures: Sequence[NDArray[np.uint8]]) -> list[str]:
    """Compute the same hashes as imagehash.phash(picture, hash_size=16), in half the time.

    A bit is set where the coefficient of a low frequency exceeds the median
    (https://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html). Only the low
    frequencies are computed. They are rounded, because the last bits of a sum depend on the
    processor, and in symmetric images many coefficients are equal to the median.

    Args:
        pictures: uint8 (H, W) each.

    Returns:
        64 hexadecimal digits for each.
    """
    if len(pictures) == 0:
        return []
    small = np.stack([shrink(grey) for grey in pictures]).astype(np.float64)
    strength = np.round(COSINES @ small @ COSINES.T, 6)
    bits = strength > np.median(strength, axis=(1, 2), keepdims=True)
    return [row.tobytes().hex() for row in np.packbits(bits.reshape(len(bits), -1), axis=1)]


def shrink(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Resize to the size that is hashed, with Pillow's integer arithmetic."""
    return np.asarray(Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.LANCZOS))
