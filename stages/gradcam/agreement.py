"""Agreement of heatmaps: stable under small changes of the image, specific to image and weights.

If an image is slightly shifted or brightened, the heatmap for the same class should stay the same
(shifted accordingly). With random weights in the network (Adebayo et al. 2018, "Sanity checks for
saliency maps"), or for another image, it should differ. A heatmap that stays the same even then
shows the outline or the centre of the image and explains nothing. So `other_image` and
`random_weights` are the baselines for the other two.

Agreement is Pearson's correlation over the pixels of two maps ("CC" in Bylinskii et al. 2019, "What
do different evaluation metrics tell us about saliency models?"), which does not depend on their
scale. As there, the correlation with a constant map is 0: a map that vanishes where it should stay
does not agree. The two baselines leave out such pairs, because constant maps would only lower them;
`random_empty` counts them for random weights.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from cxr.heatmaps.explainer import Explainer, Images, Maps
from cxr.models.classifier import Classifier
from cxr.models.info import ModelInfo

SHIFT = 0.05
"""To the right and down, as a fraction of the image size."""
BRIGHTNESS = 0.1
"""As a fraction of the full range."""
RANDOM_NETWORKS = 3
"""More than one, since the maps of a single random network can all be constant."""


def agreement_scores(
    explain: Explainer,
    explain_random: Sequence[Explainer],
    images: Images,
    classes: NDArray[np.int64],
    maps: Maps,
) -> pd.DataFrame:
    """Compare each heatmap with others that should, or should not, be similar.

    Args:
        explain_random: explainers of `random_classifiers`.
        images: uint8 (N, S, S).
        classes: (N,), the explained classes.
        maps: (N, S, S), the heatmaps of these images by `explain`.

    Returns:
        N rows with the correlations `shift`, `brightness`, `other_image` (with the
        previous image, of any class; NaN if there is only one image) and `random_weights` (mean
        over the random networks), -1 to 1, NaN if undefined; and `random_empty`, the fraction of
        random networks whose map is constant.
    """
    offset = round(SHIFT * images.shape[1])
    shifted = explain(shift(images, offset), classes)
    brightened = explain(brighten(images), classes)
    other_maps = np.roll(maps, 1, axis=0) if len(maps) > 1 else np.zeros_like(maps)
    random_maps = np.stack([explain_one(images, classes) for explain_one in explain_random])
    random_agreement = [baseline_correlation(maps, other) for other in random_maps]
    return pd.DataFrame(
        {
            "shift": correlation(maps[:, :-offset, :-offset], shifted[:, offset:, offset:]),
            "brightness": correlation(maps, brightened),
            "other_image": baseline_correlation(maps, other_maps),
            "random_weights": pd.DataFrame(random_agreement).mean(),
            "random_empty": is_constant(random_maps).mean(0),
        }
    )


def shift(images: Images, offset: int) -> Images:
    """Move images right and down by some pixels; repeat the edge in the space that opens."""
    size = images.shape[1]
    return np.pad(images, ((0, 0), (offset, 0), (offset, 0)), mode="edge")[:, :size, :size]


def brighten(images: Images) -> Images:
    """Add `BRIGHTNESS` to all grey levels, and clip at white."""
    return (images.astype(np.int16) + round(BRIGHTNESS * 255)).clip(0, 255).astype(np.uint8)


def correlation(maps: Maps, others: Maps) -> NDArray[np.float64]:
    """Compute Pearson's correlation of each pair of maps (N, h, w), (N,).

    It is 0 if only the other map is constant, NaN if the map itself is.
    """
    flat = [pixels.reshape(len(pixels), -1).astype(np.float64) for pixels in (maps, others)]
    first, second = (pixels - pixels.mean(1, keepdims=True) for pixels in flat)
    norms = np.sqrt((first**2).sum(1) * (second**2).sum(1))
    products = (first * second).sum(1)
    constant = is_constant(maps)
    defined = ~(constant | is_constant(others))
    correlations = np.divide(products, norms, out=np.zeros_like(norms), where=defined)
    correlations[constant] = np.nan
    return correlations


def baseline_correlation(maps: Maps, others: Maps) -> NDArray[np.float64]:
    """Compute the same for the baselines: NaN if either map is constant."""
    return np.where(is_constant(others), np.nan, correlation(maps, others))


def is_constant(maps: Maps) -> NDArray[np.bool_]:
    """Which maps (..., h, w) have the same value everywhere."""
    return np.ptp(maps, axis=(-2, -1)) < 1e-6


def random_classifiers(info: ModelInfo, seed: int) -> Iterator[Classifier]:
    """Build the same architecture with random weights, `RANDOM_NETWORKS` times."""
    for index in range(RANDOM_NETWORKS):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.SeedSequence([seed, index]).generate_state(1)[0]))
            yield Classifier.build(info)
