"""The perceptual hash of a picture."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# 16 x 16 = 256 bits. At the usual 64, unlike chests are as near as copies.
HASH_SIZE = 16
# Side of the picture that is hashed.
SIDE = 4 * HASH_SIZE

# The lowest frequencies of the discrete cosine transform (type II, not normalised).
_FREQUENCY, _PLACE = np.ogrid[:HASH_SIZE, :SIDE]
COSINES = 2 * np.cos(np.pi * _FREQUENCY * (2 * _PLACE + 1) / (2 * SIDE))


def phash(grey: NDArray[np.uint8]) -> str:
    """The hash that imagehash.phash(picture, hash_size=16) gives, in a third of the time.

    A bit is set where a low frequency is stronger than their median
    (https://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html). Only the
    frequencies that count are computed. They are rounded, because the last bits of a sum depend on
    the processor, and in symmetric pictures nothing else tells a frequency from the median.

    Args:
        grey: uint8 (H, W).

    Returns:
        64 hexadecimal digits.
    """
    small = Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    strength = np.round(COSINES @ np.asarray(small, np.float64) @ COSINES.T, 6)
    middle = strength.size // 2
    median = np.partition(strength, (middle - 1, middle), axis=None)[middle - 1 : middle + 1].mean()
    return np.packbits(strength > median).tobytes().hex()
