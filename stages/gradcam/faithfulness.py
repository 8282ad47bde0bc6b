"""Whether what is hot is what the network decides by: deletion and insertion.

After Petsiuk et al. 2018 ("RISE: Randomized input sampling for explanation of black-box models"):
the hottest pixels are replaced by grey first (deletion), or appear first in a blurred image
(insertion), and the probability of the explained class is followed. The area under its curve,
over the share of pixels from 0 to 1, is low for deletion and high for insertion if the map finds
what matters. How low and high depends on the network and the data, so each stands beside the same
of a random map of the same coarseness: the gain over that is what the map is worth.
"""

from collections.abc import Callable

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.heatmaps.explainer import Maps

STEPS = 5
"""Shares of the pixels: 0, a fifth, ..., 1."""
BLUR = 0.1
"""Standard deviation of the blur, as a share of the image's side."""
TIE = 1e-6

Images = NDArray[np.uint8]
Floats = NDArray[np.float64]


def measure(
    believe: Callable[[Images], Floats],
    images: Images,
    maps: Maps,
    randoms: Maps,
    grey: int,
) -> pd.DataFrame:
    """Areas under the curves of each image, 0 to 1.

    Args:
        believe: from images (N, S, S) to the probability of the class explained in each, (N,).
        images: (N, S, S).
        maps: (N, S, S), their heatmaps; the area of an empty one is NaN.
        randoms: (N, S, S), what they are compared with.
        grey: level that stands for nothing, the mean of the training images.

    Returns:
        N rows with `deletion`, `deletion_gain` (how much lower than that of the random map),
        `insertion` and `insertion_gain` (how much higher).
    """
    nothing, blurred = np.full_like(images, grey), blur(images)
    whole, none, vague = believe(images), believe(nothing), believe(blurred)
    # What a map leaves even goes in the order of the random map, not from the top down.
    ordered = maps + TIE * randoms
    deletion, deletion_random = (
        area(believe, images, nothing, heat, whole, none) for heat in (ordered, randoms)
    )
    insertion, insertion_random = (
        area(believe, blurred, images, heat, vague, whole) for heat in (ordered, randoms)
    )
    found = pd.DataFrame(
        {
            "deletion": deletion,
            "deletion_gain": deletion_random - deletion,
            "insertion": insertion,
            "insertion_gain": insertion - insertion_random,
        }
    )
    found.loc[~maps.any(axis=(1, 2))] = np.nan
    return found


def area(
    believe: Callable[[Images], Floats],
    before: Images,
    after: Images,
    heat: Maps,
    first: Floats,
    last: Floats,
) -> Floats:
    """Area under the probability while `before` becomes `after`, the hottest pixels first.

    Args:
        first, last: (N,), the probabilities of `before` and `after`.
    """
    number, pixels = len(heat), heat[0].size
    place = np.argsort(np.argsort(-heat.reshape(number, -1), axis=1, kind="stable"), axis=1)
    place = place.reshape(heat.shape)
    between = [
        believe(np.where(place < round(pixels * step / STEPS), after, before))
        for step in range(1, STEPS)
    ]
    return np.asarray(np.trapezoid([first, *between, last], dx=1 / STEPS, axis=0), np.float64)


def blur(images: Images) -> Images:
    """Images in which only the large forms are left."""
    width = BLUR * images.shape[1]
    return np.stack([cv2.GaussianBlur(image, (0, 0), width) for image in images])


def random_maps(seeds: list[list[int]], height: int, width: int, side: int) -> Maps:
    """A map of chance for each image: as coarse as the heatmaps, brought to size like them.

    Args:
        seeds: for each image.

    Returns:
        float32 (N, side, side), 0 to 1.
    """
    coarse = [np.random.default_rng(seed).random((height, width), np.float32) for seed in seeds]
    return np.stack([cv2.resize(cells, (side, side)) for cells in coarse])
