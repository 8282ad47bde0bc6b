"""The parts of a picture that are searched for duplicates, and its rotations and flips.

The whole finds most copies; the middle finds the originals of copies that were cropped; what lies
inside of a plain border finds copies that got or lost one, or were padded to a square.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Image as Grey

from cxr.images.resize import resize

WHOLE, MIDDLE, CENTRE, INSIDE = range(4)
FRAMES = 4
# What is cut off at each side for the middle and for the centre, as a share of the whole.
CUTS = {WHOLE: 0.0, MIDDLE: 0.025, CENTRE: 0.05}

# Which frame of one picture is compared with which of another.
COMPARED = (
    (WHOLE, WHOLE),
    (WHOLE, MIDDLE),
    (MIDDLE, WHOLE),
    (WHOLE, CENTRE),
    (CENTRE, WHOLE),
    (INSIDE, INSIDE),
)

# A line of pixels is border if its grey levels, but for a tenth, differ by no more than this.
PLAIN = 6
# Less of a picture than this share of its side can't be all that shows something.
LEAST = 0.25


class Box(NamedTuple):
    """A part of a picture, as shares of its width and height."""

    left: float
    top: float
    right: float
    bottom: float


def frame_box(thumbnail: NDArray[np.uint8], frame: int) -> Box:
    """Where a frame lies.

    Args:
        thumbnail: uint8 (S, S).
    """
    if frame != INSIDE:
        cut = CUTS[frame]
        return Box(cut, cut, 1 - cut, 1 - cut)
    side = len(thumbnail)
    columns, rows = (np.flatnonzero(spread(thumbnail, axis) > PLAIN) for axis in (0, 1))
    if min(len(columns), len(rows)) < LEAST * side:
        return Box(0, 0, 1, 1)
    return Box(columns[0] / side, rows[0] / side, (columns[-1] + 1) / side, (rows[-1] + 1) / side)


def spread(image: NDArray[np.uint8], axis: int) -> NDArray[np.float64]:
    """The range of grey levels of each line, but for a twentieth at either end."""
    low, high = np.percentile(image, (5, 95), axis=axis, method="nearest").astype(np.float64)
    return np.asarray(high - low)


def cut(grey: Grey, box: Box, side: int) -> NDArray[np.uint8]:
    """A part of a picture, stretched to a square: uint8 (side, side)."""
    width, height = grey.size
    place = (box.left * width, box.top * height, box.right * width, box.bottom * height)
    return np.asarray(resize(grey, (side, side), place))


def all_frames(thumbnail: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The frames of a thumbnail: uint8 (4, S, S)."""
    grey = Image.fromarray(thumbnail)
    boxes = (frame_box(thumbnail, frame) for frame in range(FRAMES))
    return np.stack([cut(grey, box, len(thumbnail)) for box in boxes])


def apply_symmetry(image: NDArray[np.uint8], k: int) -> NDArray[np.uint8]:
    """Apply one of the eight symmetries of a square.

    Args:
        image: (..., S, S).
        k: 0 to 3: rotated by k · 90°; 4 to 7: rotated by (k - 4) · 90°, then mirrored.
    """
    rotated = np.rot90(image, k % 4, axes=(-2, -1))
    return np.ascontiguousarray(rotated[..., ::-1] if k >= 4 else rotated)
