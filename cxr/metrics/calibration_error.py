"""Whether probabilities mean what they say."""

import numpy as np
import pandas as pd

from cxr.metrics.classification import Floats, Labels

BINS = 15
"""Equal widths, of the probability of the predicted class: as in Guo et al. 2017."""


def scores(
    actual: Labels, probabilities: Floats, weights: Floats | None = None
) -> dict[str, Floats]:
    """Brier score and expected calibration error.

    `brier` is the mean squared distance from the truth, summed over the classes (Brier 1950): from
    0 to 2. `ece` is the mean gap between the probability of the predicted class and the share of
    images told right, over bins of that probability (Naeini et al. 2015; Guo et al. 2017, eq. 3).

    Args:
        actual: (N,), numbers of classes.
        probabilities: (N, K).
        weights: (R, N); one row of ones if not given.

    Returns:
        (R,) for each score.
    """
    weights = np.ones((1, len(actual))) if weights is None else weights
    total = weights.sum(1)
    missed = ((probabilities - np.eye(probabilities.shape[1])[actual]) ** 2).sum(1)
    gap = (probabilities.argmax(1) == actual) - probabilities.max(1)
    gaps = (weights * gap) @ np.eye(BINS)[bins(probabilities)]
    return {"brier": weights @ missed / total, "ece": np.abs(gaps).sum(1) / total}


def bins(probabilities: Floats) -> Labels:
    """Number of the bin of each image; a bin includes its upper edge."""
    numbers: Labels = np.ceil(probabilities.max(1) * BINS).astype(np.int64).clip(1, BINS) - 1
    return numbers


def table(actual: Labels, probabilities: Floats) -> pd.DataFrame:
    """The reliability diagram: for each bin that has images, how sure and how right.

    Returns:
        `images`, `confidence` (mean probability of the predicted class) and `accuracy`.
    """
    found = pd.DataFrame(
        {
            "bin": bins(probabilities),
            "confidence": probabilities.max(1),
            "accuracy": (probabilities.argmax(1) == actual).astype(float),
        }
    ).groupby("bin")
    means = found.mean()
    means.insert(0, "images", found.size())
    return means.reset_index(drop=True)
