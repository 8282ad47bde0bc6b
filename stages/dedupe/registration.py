"""Whether two pictures are one exposure: one is laid over the other, and their detail compared.

Two exposures of one chest have the same outlines, but ribs and vessels that lie over each other a
little differently: no affine map brings their fine detail to agree. That of copies agrees, whatever
happened to brightness, size or margins.
"""

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Map = NDArray[np.float32]

# Edges stronger than this many local standard deviations count no more than that: boxes and
# writing must not outweigh the chest.
CLIP = 2.0
# Grey levels that are noise rather than structure.
NOISE = 3.0
# Width of the Gaussian that findTransformECC smooths with, in pixels.
SMOOTHING = 5

# Detail is what a Gaussian of the first width removes and one of the second keeps, as shares of the
# picture's side: 1.5 and 4 of 256 pixels.
BAND = (1.5 / 256, 4 / 256)
# It is compared in square windows of this share of the side, which overlap by half.
WINDOW = 1 / 8
# A window counts if the detail's standard deviation in it is at least this, in grey levels, ...
LEAST_DETAIL = 0.6
# ... and this share of it lies in both pictures and in no large black area of either.
LEAST_AREA = 0.4
# Detail that is so many times stronger than the median is of boxes and writing: it is left out.
STRONG = 5.0
# With fewer windows of the 225, nothing can be said.
LEAST_WINDOWS = 12
# Grey levels above the darkest that are black.
BLACK = 6


class View:
    """A square picture with what registration needs of it, computed once.

    Attributes:
        grey: uint8 (S, S).
    """

    def __init__(self, grey: Image) -> None:
        self.grey = grey
        self.side = len(grey)

    @cached_property
    def normalized(self) -> Map:
        """Without the slow changes of grey and with the same contrast everywhere, (S, S)."""
        width = self.side / 16 if self.side <= 64 else self.side / 32
        grey = self.grey.astype(np.float32)
        grey -= blurred(grey, width)
        spread = blurred(grey * grey, 2 * width)
        grey /= np.sqrt(spread + NOISE**2)
        return np.clip(grey, -CLIP, CLIP)

    @cached_property
    def half(self) -> "View":
        """The same picture at half the side."""
        size = (self.side // 2, self.side // 2)
        return View(np.asarray(cv2.resize(self.grey, size, interpolation=cv2.INTER_AREA), np.uint8))

    @cached_property
    def detail(self) -> Map:
        """What lies between the two widths of `BAND`, (S, S), in grey levels."""
        levels = self.grey.astype(np.float32)
        fine, coarse = (blurred(levels, width * self.side) for width in BAND)
        return fine - coarse

    @cached_property
    def used(self) -> Image:
        """1 where detail is compared: not where little is shown, and not in boxes and writing."""
        shown = self.shown
        strength = np.abs(self.detail)
        # Of every fourth pixel and line: the median hardly changes, and takes long.
        some = strength[::4, ::4][shown[::4, ::4]]
        usual = float(np.median(some)) if some.size else 0.0
        return (shown & (strength <= STRONG * max(usual, LEAST_DETAIL))).astype(np.uint8)

    @property
    def shown(self) -> NDArray[np.bool_]:
        """Where the picture shows something: not in and beside large black areas, (S, S).

        Outside of lungs that were cut out, all pictures agree, and along the cut they may.
        """
        counts = np.bincount(self.grey.ravel(), minlength=256).cumsum()
        darkest = int((counts <= 0.01 * self.grey.size).sum())
        black = (self.grey <= darkest + BLACK).astype(np.uint8)
        large, near = (max(3, round(self.side / part) | 1) for part in (28, 16))
        areas = cv2.morphologyEx(black, cv2.MORPH_OPEN, np.ones((large, large), np.uint8))
        return np.asarray(cv2.dilate(areas, np.ones((near, near), np.uint8))) == 0


def blurred(levels: Map, width: float) -> Map:
    """By a Gaussian of a standard deviation in pixels, cut off at three of it."""
    reach = round(6 * width) | 1
    return np.asarray(cv2.GaussianBlur(levels, (reach, reach), width), np.float32)


def align(first: View, second: View, start: Map, steps: int) -> Map:
    """The affine map from pixels of the first to pixels of the second picture, (2, 3).

    It maximizes the enhanced correlation coefficient (Evangelidis and Psarakis, IEEE TPAMI 2008).

    Args:
        start: a first guess, which is returned where no map makes the two correlate.
    """
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, steps, 1e-4)
    everywhere = np.full(second.grey.shape, 255, np.uint8)
    try:
        _, found = cv2.findTransformECC(
            *(first.normalized, second.normalized, start.copy(), cv2.MOTION_AFFINE),
            *(stop, everywhere, SMOOTHING),
        )
    except cv2.error:
        return start
    return np.asarray(found, np.float32)


def enlarge(warp: Map, factor: float) -> Map:
    """The same map between pictures of `factor` times the size."""
    # Of pixel centres: pixel p of a picture covers p to p + 1.
    matrix, half = warp[:, :2], np.full(2, 0.5, np.float32)
    shift = (warp[:, 2] + half - matrix @ half) * factor
    return np.column_stack([matrix, shift - half + matrix @ half]).astype(np.float32)


def agreement(first: View, second: View, warp: Map) -> float:
    """How much of the detail agrees: the median over windows of its correlation.

    The median ignores boxes and writing in less than half of the windows.

    Returns:
        -1 to 1; 0 if too little is shown by both.
    """
    size = (first.side, first.side)
    flags = cv2.WARP_INVERSE_MAP
    used = cv2.warpAffine(second.used, warp, size, flags=cv2.INTER_NEAREST | flags)
    use = (first.used & np.asarray(used, np.uint8)).astype(np.float32)
    a = first.detail * use
    b = cv2.warpAffine(second.detail, warp, size, flags=cv2.INTER_LINEAR | flags) * use

    area = windows(use)
    full = np.maximum(area, 1e-6)
    mean_a, mean_b = windows(a) / full, windows(b) / full
    spread_a = np.sqrt(np.maximum(windows(a * a) / full - mean_a**2, 0))
    spread_b = np.sqrt(np.maximum(windows(b * b) / full - mean_b**2, 0))
    enough = (np.minimum(spread_a, spread_b) >= LEAST_DETAIL) & (area >= LEAST_AREA)
    if enough.sum() < LEAST_WINDOWS:
        return 0.0
    together = windows(a * b) / full - mean_a * mean_b
    return float(np.median(together[enough] / (spread_a * spread_b)[enough]))


def windows(image: Map) -> Map:
    """Means over overlapping windows: (S, S) to (15, 15)."""
    # A window is two by two squares of half its width.
    count = round(2 / WINDOW)
    squares = np.asarray(cv2.resize(image, (count, count), interpolation=cv2.INTER_AREA))
    rows = squares[1:] + squares[:-1]
    return np.asarray((rows[:, 1:] + rows[:, :-1]) / 4, np.float32)
