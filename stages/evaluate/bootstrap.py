"""Intervals by resampling groups: images of one patient are no independent observations."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from stages.evaluate.scores import Floats, defined

# Numbers in one block of weights: small enough to stay near the processor.
BLOCK = 100_000


def intervals(
    statistics: Callable[[Floats], dict[str, Floats]],
    groups: NDArray[np.str_],
    resamples: int,
    confidence: float,
    seed: int,
) -> dict[str, dict[str, float | None]]:
    """Percentile intervals by cluster bootstrap (Davison and Hinkley 1997, sections 3.8 and 5.3).

    Args:
        statistics: from weights (R, N) to (R,) for each statistic; NaN where undefined.
        groups: (N,), the group of each image.
        confidence: share of the resamples inside the interval, such as 0.95.

    Returns:
        `{name: {"low": ..., "high": ...}}`; None if a statistic is defined in no resample.
    """
    blocks = [statistics(weights) for weights in resampled(groups, resamples, seed)]
    tail = (1 - confidence) / 2
    result = {}
    for name in blocks[0]:
        values = np.concatenate([block[name] for block in blocks])
        values = values[np.isfinite(values)]
        low, high = np.quantile(values, [tail, 1 - tail]) if len(values) else (np.nan, np.nan)
        result[name] = {"low": defined(low), "high": defined(high)}
    return result


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
