"""Images reduced to a few pixels: what is left is brightness and posture."""

import cv2
import numpy as np
from numpy.typing import NDArray


def reduced(pixels: NDArray[np.uint8], rows: NDArray[np.int64], side: int) -> NDArray[np.float64]:
    """Images brought to a small square by area.

    Args:
        pixels: uint8 (images, S, S), may be memory-mapped.
        rows: (N,), which images.

    Returns:
        float64 (N, side, side), 0 to 255.
    """
    small = np.empty((len(rows), side, side))
    for place, row in enumerate(rows):
        small[place] = cv2.resize(
            np.asarray(pixels[row]), (side, side), interpolation=cv2.INTER_AREA
        )
    return small
