"""The border of an image, where side markers and other traces of its origin are."""

import numpy as np
from numpy.typing import NDArray

WIDTH = 0.1
"""Of the border, as a share of the image's side."""


def border_mask(side: int) -> NDArray[np.bool_]:
    """(side, side), true within a tenth of the side from the edge."""
    width = max(1, round(WIDTH * side))
    border = np.ones((side, side), bool)
    border[width:-width, width:-width] = False
    return border
