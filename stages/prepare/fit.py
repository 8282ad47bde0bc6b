"""Any rectangle to a square of the size that networks are fed."""

import cv2
import numpy as np
from numpy.typing import NDArray


def fit(grey: NDArray[np.uint8], size: int, how: str) -> NDArray[np.uint8]:
    """Bring an image to (size, size).

    Args:
        grey: uint8 (H, W).
        how: crop (the centre), pad (black) or stretch.
    """
    height, width = grey.shape
    side = min(height, width)
    if how == "crop":
        top, left = (height - side) // 2, (width - side) // 2
        grey = grey[top : top + side, left : left + side]
    if how == "pad":
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        grey = np.pad(grey, ((top, side - height - top), (left, side - width - left)))
    # Area averaging loses no detail when shrinking, and is no interpolation when enlarging.
    method = cv2.INTER_AREA if min(grey.shape) >= size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (size, size), interpolation=method), np.uint8)
