"""Any rectangle to a square of the size that networks are fed."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Image as Grey
from PIL.Image import Resampling


def fit(grey: Grey, size: int, how: str) -> NDArray[np.uint8]:
    """Bring a grey picture to (size, size).

    Args:
        grey: mode L.
        how: crop (the centre), pad (black) or stretch.
    """
    width, height = grey.size
    if how == "crop":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        square = resize(grey, (size, size), (left, top, left + side, top + side))
    elif how == "pad":
        longer = max(width, height)
        small = (max(1, round(size * width / longer)), max(1, round(size * height / longer)))
        square = Image.new("L", (size, size))
        corner = ((size - small[0]) // 2, (size - small[1]) // 2)
        square.paste(resize(grey, small, (0, 0, width, height)), corner)
    else:
        square = resize(grey, (size, size), (0, 0, width, height))
    return np.asarray(square)


def resize(grey: Grey, size: tuple[int, int], box: tuple[int, int, int, int]) -> Grey:
    """Resample a part of a picture: in integers, so that all machines give the same levels.

    Shrinking averages, so no detail turns into a false pattern; pictures of more than three times
    the size are first reduced by a whole factor, which moves a level by 1 at most.
    """
    enlarge = box[2] - box[0] < size[0]
    method = Resampling.BILINEAR if enlarge else Resampling.HAMMING
    return grey.resize(size, method, box, reducing_gap=3.0)
