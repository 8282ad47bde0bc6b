"""Thumbnails of whole images, in which duplicates are searched.

A thumbnail depends only on the file and not on the settings of `prepare`, so that the same
duplicates are found for every image size.
"""

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image as Grey

from cxr.images.resize import fit

SIDE = 64
"""Of a thumbnail, in pixels."""

DETAIL = 256
"""Side in pixels of the images in which candidates are then compared in detail."""


def thumbnail(grey: Grey) -> NDArray[np.uint8]:
    """The whole image, stretched to a square: uint8 (64, 64).

    Args:
        grey: mode L.
    """
    return fit(grey, SIDE, "stretch")
