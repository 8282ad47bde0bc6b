"""Calibration: whether predicted probabilities match how often the prediction is correct."""

import numpy as np
import pandas as pd

from cxr.metrics.classification import Floats, Labels

BINS = 15
"""Bins of equal width over the probability of the predicted class, as in Guo et al. 2017."""


def calibration_scores(
    actual: Labels, probs: Floats, weights: Floats | None = None
) -> dict[str, Floats]:
    """Brier score and expected calibration error (ECE); lower is better for both.

    `brier` is the squared error of the probabilities, summed over the classes (Brier 1950): 0 to
    2. `ece` is the mean gap between the probability of the predicted class and the accuracy, over
    bins of that probability (Naeini et al. 2015; Guo et al. 2017, eq. 3): 0 to 1.

    Args:
        actual: (N,), class indices.
        probs: (N, K).
        weights: (R, N); one row of ones if not given.

    Returns:
        (R,) for each score.
    """
    weights = np.ones((1, len(actual))) if weights is None else weights
    total = weights.sum(1)
    squared_error = ((probs - np.eye(probs.shape[1])[actual]) ** 2).sum(1)
    gap = (probs.argmax(1) == actual) - probs.max(1)
    gap_per_bin = (weights * gap) @ np.eye(BINS)[bin_indices(probs)]
    return {"brier": weights @ squared_error / total, "ece": np.abs(gap_per_bin).sum(1) / total}


def bin_indices(probs: Floats) -> Labels:
    """The bin of each image, (N,); a bin includes its upper edge."""
    indices: Labels = np.ceil(probs.max(1) * BINS).astype(np.int64).clip(1, BINS) - 1
    return indices


def reliability_table(actual: Labels, probs: Floats) -> pd.DataFrame:
    """The reliability diagram as a table, a row for each bin that has images.

    Returns:
        `images` (count), `confidence` (mean probability of the predicted class) and `accuracy`.
    """
    bins = pd.DataFrame(
        {
            "bin": bin_indices(probs),
            "confidence": probs.max(1),
            "accuracy": (probs.argmax(1) == actual).astype(float),
        }
    ).groupby("bin")
    table = bins.mean()
    table.insert(0, "images", bins.size())
    return table.reset_index(drop=True)
