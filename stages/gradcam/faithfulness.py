"""Faithfulness of heatmaps: deletion and insertion of the pixels with the highest values.

After Petsiuk et al. 2018 ("RISE: Randomized input sampling for explanation of black-box models").
Deletion replaces the pixels by grey, those with the highest values first; insertion reveals them in
a blurred image in the same order. The score is the area under the probability of the explained
class, over the fraction of pixels from 0 to 1. If the map shows what the decision depends on,
deletion is low and insertion is high. How low and how high depends on the network and the data. So
both are compared with those of a random map of the same resolution.
"""

from collections.abc import Callable

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.heatmaps.explainer import Images, Maps

STEPS = 5
"""The fractions of pixels are 0, 1/5, ..., 1."""
BLUR = 0.1
"""Standard deviation of the blur, as a fraction of the image size."""
TIE_BREAK = 1e-6

Floats = NDArray[np.float64]


def faithfulness_scores(
    class_probability: Callable[[Images], Floats],
    images: Images,
    maps: Maps,
    random_maps: Maps,
    grey: int,
) -> pd.DataFrame:
    """Compute deletion and insertion scores of each image, 0 to 1.

    Args:
        class_probability: from images (N, S, S) to the probability of the explained class, (N,).
        images: uint8 (N, S, S).
        maps: (N, S, S), their heatmaps; the scores of an empty one are NaN.
        random_maps: (N, S, S), for comparison.
        grey: replacement for deleted pixels, the mean of the training images.

    Returns:
        N rows with `deletion`, `deletion_gain` (how much lower than that of the random map),
        `insertion` and `insertion_gain` (how much higher).
    """
    uniform, blurred = np.full_like(images, grey), blur(images)
    prob_image, prob_uniform, prob_blurred = (
        class_probability(version) for version in (images, uniform, blurred)
    )
    # Pixels with equal values are ordered by the random map, not from top to bottom.
    ordered = maps + TIE_BREAK * random_maps
    deletion, random_deletion = (
        perturbation_auc(class_probability, images, uniform, order, prob_image, prob_uniform)
        for order in (ordered, random_maps)
    )
    insertion, random_insertion = (
        perturbation_auc(class_probability, blurred, images, order, prob_blurred, prob_image)
        for order in (ordered, random_maps)
    )
    scores = pd.DataFrame(
        {
            "deletion": deletion,
            "deletion_gain": random_deletion - deletion,
            "insertion": insertion,
            "insertion_gain": insertion - random_insertion,
        }
    )
    scores.loc[~maps.any(axis=(1, 2))] = np.nan
    return scores


def perturbation_auc(
    class_probability: Callable[[Images], Floats],
    before: Images,
    after: Images,
    order: Maps,
    prob_before: Floats,
    prob_after: Floats,
) -> Floats:
    """Compute the area under the class probability while `before` is replaced by `after`.

    Args:
        order: (N, S, S), the pixels with the highest values are replaced first.
        prob_before, prob_after: (N,), the probabilities of `before` and `after`.
    """
    count, pixels = len(order), order[0].size
    ranks = np.argsort(np.argsort(-order.reshape(count, -1), axis=1, kind="stable"), axis=1)
    ranks = ranks.reshape(order.shape)
    probs = [
        class_probability(np.where(ranks < round(pixels * step / STEPS), after, before))
        for step in range(1, STEPS)
    ]
    curve = [prob_before, *probs, prob_after]
    return np.asarray(np.trapezoid(curve, dx=1 / STEPS, axis=0), np.float64)


def blur(images: Images) -> Images:
    """Blur images so that only coarse structures remain."""
    sigma = BLUR * images.shape[1]
    return np.stack([cv2.GaussianBlur(image, (0, 0), sigma) for image in images])


def make_random_maps(seeds: list[list[int]], height: int, width: int, size: int) -> Maps:
    """Draw a random map for each image: as coarse as the heatmaps, and enlarged like them.

    Args:
        seeds: one for each image.

    Returns:
        float32 (N, size, size), 0 to 1.
    """
    coarse = [np.random.default_rng(seed).random((height, width), np.float32) for seed in seeds]
    return np.stack([cv2.resize(cells, (size, size)) for cells in coarse])
