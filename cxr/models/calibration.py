"""Temperature scaling of the logits, fitted on validation images."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from cxr.models.info import ModelInfo

Floats = NDArray[np.float64]

PRIOR_WEIGHT = 1.0
"""Weight of the prior on the temperature, relative to one validation image."""


def calibrate(info: ModelInfo, logits: NDArray[np.float32], labels: NDArray[np.int64]) -> ModelInfo:
    """Return the model's description with temperature and probabilities of validation images.

    Args:
        logits: (N, classes), of the validation images.
        labels: (N,), class indices.
    """
    temperature = round(fit_temperature(logits, labels), 6)
    probs = scaled_softmax(logits, temperature)
    validation_probs = {
        # Rounded down, so that an image still reaches a threshold at its own probability.
        name: (np.floor(np.sort(probs[labels == index, index]) * 1e6) / 1e6).tolist()
        for index, name in enumerate(info.classes)
    }
    return replace(info, temperature=temperature, validation_probs=validation_probs)


def scaled_softmax(logits: NDArray[np.float32], temperature: float) -> Floats:
    """Softmax of the logits divided by the temperature, float64 (N, classes)."""
    probs: Floats = softmax(logits.astype(np.float64) / temperature, axis=1)
    return probs


def fit_temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Estimate the temperature T by maximum a posteriori.

    The negative log likelihood (Guo et al. 2017, section 4.2) with a Gamma(2, 1) prior on 1 / T.
    The prior's mode is T = 1. Therefore the likelihood of these images never decreases, and a
    few images that are all classified correctly do not drive T to 0.

    Args:
        logits: (N, K).
        labels: (N,), class indices.

    Returns:
        above 1 for an overconfident network, below 1 for an underconfident one.
    """
    images = len(labels)
    scores = logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        inverse = math.exp(-log_temperature)
        log_likelihood = log_softmax(scores * inverse, axis=1)[np.arange(images), labels].sum()
        return float(PRIOR_WEIGHT * (inverse + log_temperature) - log_likelihood) / images

    # The loss has one minimum, because it is convex in 1 / temperature.
    result = minimize_scalar(
        loss, bounds=(math.log(0.01), math.log(100)), method="bounded", options={"xatol": 1e-8}
    )
    return math.exp(result.x)
