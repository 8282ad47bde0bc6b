"""Resize images to squares.

Pillow computes with integers, so the result is the same on every machine.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Image as Grey
from PIL.Image import Resampling

# An image of more than this many times the target size is first reduced by an integer factor. This
# is several times faster and changes grey levels by at most a few units.
REDUCING_GAP = 3.0


def fit(grey: Grey, size: int, how: str) -> NDArray[np.uint8]:
    """Resize a grey image to (size, size).

    Args:
        grey: mode L.
        how: crop (to the central square), pad (with black) or stretch.
    """
    width, height = grey.size
    if how == "pad":
        longer = max(width, height)
        inner = (max(1, round(size * width / longer)), max(1, round(size * height / longer)))
        square = Image.new("L", (size, size))
        corner = ((size - inner[0]) // 2, (size - inner[1]) // 2)
        square.paste(resize(grey, inner, (0, 0, width, height)), corner)
    else:
        wide, high = (min(width, height),) * 2 if how == "crop" else (width, height)
        left, top = (width - wide) // 2, (height - high) // 2
        square = resize(grey, (size, size), (left, top, left + wide, top + high))
    return np.asarray(square)


def resize(grey: Grey, size: tuple[int, int], box: tuple[float, float, float, float]) -> Grey:
    """Resize the part of an image inside `box` (left, top, right, bottom)."""
    # Area averaging avoids aliasing when shrinking; for enlarging, it would repeat pixels.
    shrinks = box[2] - box[0] >= size[0] and box[3] - box[1] >= size[1]
    method = Resampling.BOX if shrinks else Resampling.BILINEAR
    return grey.resize(size, method, box, reducing_gap=REDUCING_GAP)
