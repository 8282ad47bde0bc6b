"""Intervals by resampling groups: images of one patient are no independent observations."""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from cxr.pipeline.params import Evaluate

Floats = NDArray[np.float64]

# Numbers in one block of weights: small enough to stay near the processor.
BLOCK = 100_000


def intervals(
    statistics: Callable[[Floats], dict[str, Floats]],
    groups: NDArray[np.str_],
    settings: Evaluate,
) -> dict[str, Floats]:
    """Percentile intervals by cluster bootstrap (Davison and Hinkley 1997, sections 3.8 and 5.3).

    Args:
        statistics: from weights (R, N) to (R, ...) for each statistic; NaN where undefined.
        groups: (N,), the group of each image.
        settings: of these `resamples`, `seed` and `confidence`, the share of the resamples inside.

    Returns:
        (2, ...) for each statistic, low and high; NaN if it is defined in no resample.
    """
    blocks = [
        statistics(weights) for weights in resampled(groups, settings.resamples, settings.seed)
    ]
    return {
        name: percentiles(np.concatenate([block[name] for block in blocks]), settings.confidence)
        for name in blocks[0]
    }


def percentiles(drawn: Floats, confidence: float) -> Floats:
    """The ends between which that share of what was drawn lies.

    Args:
        drawn: (R, ...), NaN where undefined.

    Returns:
        (2, ...), low and high; NaN where all are NaN.
    """
    tail = (1 - confidence) / 2
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice")
        found: Floats = np.nanquantile(drawn, [tail, 1 - tail], axis=0)
    return found


def widened(ends: Floats, groups: int, confidence: float) -> Floats:
    """The interval of a share; where it is 0 or 1 in every resample, that of Clopper and Pearson.

    A bootstrap can't draw what it has not seen: that all of ten patients were found says that
    with 95 % confidence at least 69 % are (1934, "The use of confidence or fiducial limits"). Of a
    single patient whose images were told partly right it draws the same again and again: NaN.

    An AUROC or average precision of 1 is widened alike: if a tenth of the patients were ranked
    last, it could be as low as 0.9.

    Args:
        ends: (2,), low and high.
        groups: how many the share is of.
    """
    if ends[0] != ends[1]:
        return ends
    if ends[0] not in (0, 1):
        return np.full(2, np.nan) if groups == 1 else ends
    bound = ((1 - confidence) / 2) ** (1 / groups)
    return np.array([bound, 1.0] if ends[0] else [0.0, 1 - bound])


def reflected(ends: Floats, estimate: float) -> Floats:
    """The basic interval (Davison and Hinkley 1997, section 5.2) of a score from 0 to 1.

    For a score such as ECE, which is higher in resamples than in the whole, and in the whole than
    in truth: an image that is drawn twice agrees with itself. The percentile interval would lie
    too high, at times above the score; this one is extended to the score where it ends below.

    Args:
        ends: (2,), the percentile interval.
    """
    low, high = 2 * estimate - ends[::-1]
    return np.array([min(max(low, 0), estimate), max(min(high, 1), estimate)])


def resampled(groups: NDArray[np.str_], resamples: int, seed: int) -> Iterator[Floats]:
    """As many groups as there are, drawn with replacement, as weights of their images.

    Yields:
        (up to `resamples`, N) blocks of how often each image was drawn.
    """
    names, member = np.unique(groups, return_inverse=True)
    share = np.full(len(names), 1 / len(names))
    random = np.random.default_rng(seed)
    step = max(1, BLOCK // len(groups))
    for start in range(0, resamples, step):
        drawn = random.multinomial(len(names), share, size=min(step, resamples - start))
        yield drawn[:, member].astype(np.float64)


def interval(ends: Floats) -> dict[str, float | None]:
    """Low and high end by name; None where undefined."""
    return {"low": defined(ends[0]), "high": defined(ends[1])}


def defined(value: float) -> float | None:
    """None for NaN, which JSON does not have."""
    return None if np.isnan(value) else float(value)
