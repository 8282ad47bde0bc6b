"""Any rectangle to a square of the size that networks are fed."""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image as Grey

# A picture of more than so many times the size is first reduced by a whole factor, which is
# several times faster and moves a level by a few at most.
GAP = 3


def fit(grey: Grey, size: int, how: str) -> NDArray[np.uint8]:
    """Bring a grey picture to (size, size).

    Args:
        grey: mode L.
        how: crop (the centre), pad (black) or stretch.
    """
    width, height = grey.size
    if how == "crop" and width != height:
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        grey = grey.crop((left, top, left + side, top + side))
    factors = [max(1, side // (GAP * size)) for side in grey.size]
    if how == "pad":
        factors = [max(factors)] * 2
    if max(factors) > 1:
        grey = reduce(grey, factors[0], factors[1])
    levels = np.asarray(grey)
    if how == "pad":
        levels = pad(levels)
    # Area averaging loses no detail when shrinking, and is no interpolation when enlarging.
    method = cv2.INTER_AREA if min(levels.shape) >= size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(levels, (size, size), interpolation=method), np.uint8)


def reduce(grey: Grey, across: int, down: int) -> Grey:
    """Means of blocks of across x down pixels; at the edges, what fills no block is left out."""
    width, height = grey.size
    left, top = width % across // 2, height % down // 2
    box = (left, top, left + width // across * across, top + height // down * down)
    return grey.reduce((across, down), box)


def pad(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Black above and below, or left and right, up to a square."""
    height, width = levels.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(levels, ((top, side - height - top), (left, side - width - left)))
