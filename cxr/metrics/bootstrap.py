"""Bootstrap confidence intervals that resample groups: images of one patient are not independent.

An interval is an array (2,) or (2, ...) of its lower and upper ends, NaN where it is undefined.
"""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from cxr.pipeline.params import Evaluate

Floats = NDArray[np.float64]

BLOCK = 100_000
"""Weights computed at once: few enough to stay in the processor's cache."""


def bootstrap_intervals(
    statistics: Callable[[Floats], dict[str, Floats]],
    groups: NDArray[np.str_],
    settings: Evaluate,
) -> dict[str, Floats]:
    """Percentile intervals by cluster bootstrap (Davison and Hinkley 1997, sections 3.8 and 5.3).

    Args:
        statistics: function from weights (R, N) to (R, ...) for each statistic; NaN where
            undefined.
        groups: (N,), the group of each image.
        settings: `resamples`, `seed` and `confidence` are used.

    Returns:
        (2, ...) for each statistic; NaN if it is undefined in every resample.
    """
    blocks = [
        statistics(weights)
        for weights in resample_weights(groups, settings.resamples, settings.seed)
    ]
    return {
        name: percentile_interval(
            np.concatenate([block[name] for block in blocks]), settings.confidence
        )
        for name in blocks[0]
    }


def resample_weights(groups: NDArray[np.str_], resamples: int, seed: int) -> Iterator[Floats]:
    """Draw as many groups as there are, with replacement.

    Yields:
        (up to `resamples`, N) blocks of how often each image was drawn.
    """
    names, group_index = np.unique(groups, return_inverse=True)
    share = np.full(len(names), 1 / len(names))
    random = np.random.default_rng(seed)
    step = max(1, BLOCK // len(groups))
    for start in range(0, resamples, step):
        counts = random.multinomial(len(names), share, size=min(step, resamples - start))
        yield counts[:, group_index].astype(np.float64)


def percentile_interval(values: Floats, confidence: float) -> Floats:
    """The central interval that holds the share `confidence` of the resampled values.

    Args:
        values: (R, ...), NaN where undefined.

    Returns:
        (2, ...), NaN where all values are NaN.
    """
    tail = (1 - confidence) / 2
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice")
        interval: Floats = np.nanquantile(values, [tail, 1 - tail], axis=0)
    return interval


def basic_interval(percentile: Floats, estimate: float) -> Floats:
    """The basic bootstrap interval (Davison and Hinkley 1997, section 5.2) of a score in [0, 1].

    For scores that resampling inflates, such as ECE: an image drawn twice agrees with itself, so
    the score of a resample is higher than that of the sample, and that is higher than the true
    one. The percentile interval then lies too high, at times above the estimate. The basic
    interval reflects it at the estimate; here it is also clipped to [0, 1] and made to contain
    the estimate.

    Args:
        percentile: (2,), the percentile interval.
    """
    low, high = 2 * estimate - percentile[::-1]
    return np.array([min(max(low, 0), estimate), max(min(high, 1), estimate)])


def exact_if_degenerate(interval: Floats, groups: int, confidence: float) -> Floats:
    """Clopper and Pearson's exact interval where a share is 0 or 1 in every resample.

    A bootstrap can't draw what the sample lacks. If all of ten patients were detected, the true
    sensitivity is at least 0.69 with 95 % confidence (Clopper and Pearson 1934, "The use of
    confidence or fiducial limits"). An AUROC or average precision of 1 is treated alike: had a
    tenth of the patients been ranked last, it could be as low as 0.9.

    With a single group whose images are only partly correct, every resample is the same, and the
    interval is undefined (NaN).

    Args:
        interval: (2,), the percentile interval.
        groups: number of groups that the share is estimated from.
    """
    if interval[0] != interval[1]:
        return interval
    if interval[0] not in (0, 1):
        return np.full(2, np.nan) if groups == 1 else interval
    bound = ((1 - confidence) / 2) ** (1 / groups)
    return np.array([bound, 1.0] if interval[0] else [0.0, 1 - bound])


def interval_to_json(interval: Floats) -> dict[str, float | None]:
    """The interval (2,) as `low` and `high`; None where undefined."""
    return {"low": nan_to_none(interval[0]), "high": nan_to_none(interval[1])}


def nan_to_none(value: float) -> float | None:
    """None for NaN, which JSON does not have."""
    return None if np.isnan(value) else float(value)
