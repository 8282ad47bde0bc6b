"""Whether a heatmap stays when it should, and changes when it should.

Of an image that is shifted, mirrored or brightened a little, the heatmap for the same class should
be the same, shifted and mirrored alike. With random weights in the network (Adebayo et al. 2018,
"Sanity checks for saliency maps") or of another image it should be another one: a heatmap that
stays even then shows the image's outline or the middle of the picture, and explains nothing. So
`other_image` and `random_weights` are the floor that the other three are to be judged by.

Two maps agree by Pearson's correlation over their pixels ("CC" in Bylinskii et al. 2019, "What do
different evaluation metrics tell us about saliency models?"), which no scaling of a map changes.
With an even map it is 0, as there: a map that goes out when it should stay does not agree. The two
floors leave such pairs out, since a map that is out would only make them lower; `random_empty`
says how many of those with random weights are.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from cxr.heatmaps.explainer import Explainer, Maps
from cxr.models.classifier import Classifier
from cxr.models.info import ModelInfo

SHIFT = 0.05
"""To the right and down, as a share of the image's side."""
BRIGHTER = 0.1
"""As a share of the full range."""
STARTS = 3
"""Networks with random weights, since the map of one alone can go out."""

Images = NDArray[np.uint8]


def measure(
    explain: Explainer,
    explain_random: Sequence[Explainer],
    images: Images,
    classes: NDArray[np.int64],
    maps: Maps,
) -> pd.DataFrame:
    """How far each heatmap agrees with others that should be like it or unlike it.

    Args:
        explain_random: the same with `random_weights`, of several seeds.
        images: (N, S, S).
        classes: (N,), the explained classes.
        maps: (N, S, S), what `explain` gives of them.

    Returns:
        N rows with `shift`, `flip`, `brightness`, `other_image` (the image before, of whatever
        class; NaN if there is one image only) and `random_weights` (the mean over the seeds): -1 to
        1, NaN where there is nothing to agree with; and `random_empty`, the share of the seeds
        whose map is even.
    """
    far = round(SHIFT * images.shape[1])
    shifted = explain(shift(images, far), classes)
    flipped = explain(images[:, :, ::-1], classes)
    brightened = explain(brighter(images), classes)
    others = np.roll(maps, 1, axis=0) if len(maps) > 1 else np.zeros_like(maps)
    chances = np.stack([chance(images, classes) for chance in explain_random])
    return pd.DataFrame(
        {
            "shift": correlation(maps[:, :-far, :-far], shifted[:, far:, far:]),
            "flip": correlation(maps, flipped[:, :, ::-1]),
            "brightness": correlation(maps, brightened),
            "other_image": between_maps(maps, others),
            "random_weights": pd.DataFrame([between_maps(maps, each) for each in chances]).mean(),
            "random_empty": even(chances).mean(0),
        }
    )


def shift(images: Images, far: int) -> Images:
    """Images moved right and down by some pixels; the edge fills what becomes free."""
    side = images.shape[1]
    return np.pad(images, ((0, 0), (far, 0), (far, 0)), mode="edge")[:, :side, :side]


def brighter(images: Images) -> Images:
    """Images with all levels raised; what would be beyond white is white."""
    return (images.astype(np.int16) + round(BRIGHTER * 255)).clip(0, 255).astype(np.uint8)


def correlation(maps: Maps, others: Maps) -> NDArray[np.float64]:
    """Pearson's correlation of each pair of maps (N, h, w), (N,).

    0 where only the other is even, NaN where the map itself is.
    """
    flat = [some.reshape(len(some), -1).astype(np.float64) for some in (maps, others)]
    first, second = (some - some.mean(1, keepdims=True) for some in flat)
    product = np.sqrt((first**2).sum(1) * (second**2).sum(1))
    together = (first * second).sum(1)
    empty = even(maps)
    found = np.divide(together, product, out=np.zeros_like(product), where=~(empty | even(others)))
    found[empty] = np.nan
    return found


def between_maps(maps: Maps, others: Maps) -> NDArray[np.float64]:
    """The same, NaN where either is even."""
    return np.where(even(others), np.nan, correlation(maps, others))


def even(maps: Maps) -> NDArray[np.bool_]:
    """Which maps (..., h, w) are the same everywhere: nothing speaks for the class."""
    return np.ptp(maps, axis=(-2, -1)) < 1e-6


def random_weights(info: ModelInfo, seed: int) -> Iterator[Classifier]:
    """The same architecture with random weights, `STARTS` times."""
    for start in range(STARTS):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.SeedSequence([seed, start]).generate_state(1)[0]))
            yield Classifier.build(info)
