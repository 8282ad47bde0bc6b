"""The whole picture, small, in which duplicates are searched for.

It depends on the file alone and not on the settings of `prepare`, so that runs with images of
another size find the same duplicates.
"""

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image as Grey

from cxr.images.resize import fit

SIDE = 64
"""Of the square, in pixels: 4 kB an image."""

DETAIL = 256
"""Side of the square in which candidates are then compared in detail."""


def thumbnail(grey: Grey) -> NDArray[np.uint8]:
    """The whole picture, stretched to a square: uint8 (64, 64).

    Args:
        grey: mode L.
    """
    return fit(grey, SIDE, "stretch")
