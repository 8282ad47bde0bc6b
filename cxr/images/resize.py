"""Any rectangle to a square of the size that networks are fed.

Pillow resizes in integers, so the result is the same on every machine.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Image as Grey
from PIL.Image import Resampling

# A picture of more than so many times the size is first reduced by a whole factor, which is
# several times faster and moves a level by a few at most.
GAP = 3.0


def fit(grey: Grey, size: int, how: str) -> NDArray[np.uint8]:
    """Bring a grey picture to (size, size).

    Args:
        grey: mode L.
        how: crop (the centre), pad (black) or stretch.
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
    """Bring the part of a picture inside `box` (left, top, right, bottom) to a size."""
    # Area averaging loses no detail when shrinking, and is no interpolation when enlarging.
    shrinks = box[2] - box[0] >= size[0] and box[3] - box[1] >= size[1]
    method = Resampling.BOX if shrinks else Resampling.BILINEAR
    return grey.resize(size, method, box, reducing_gap=GAP)
