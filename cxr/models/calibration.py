"""What validation teaches about probabilities: how far to trust them, where to set a threshold."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from cxr.models.model import Card

Floats = NDArray[np.float64]

PRIOR = 1.0
"""Weight of the belief that the network is right as it is, beside that of one validation image."""


def calibrated(card: Card, logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Card:
    """The card with the temperature and the thresholds that validation images give.

    Args:
        logits: (N, classes), of validation images.
        labels: (N,), numbers of their classes.
    """
    temperature = round(fit_temperature(logits, labels), 6)
    believed = probabilities(logits, temperature)
    thresholds = {
        # Rounded down, so that an image still reaches its own probability.
        name: (np.floor(np.sort(believed[labels == number, number]) * 1e6) / 1e6).tolist()
        for number, name in enumerate(card.classes)
    }
    return replace(card, temperature=temperature, thresholds=thresholds)


def probabilities(logits: NDArray[np.float32], temperature: float) -> Floats:
    """Softmax of logits divided by a temperature, in float64."""
    scaled: Floats = softmax(logits.astype(np.float64) / temperature, axis=1)
    return scaled


def fit_temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """The most probable temperature T: least negative log likelihood (Guo et al. 2017, section 4.2)
    with a Gamma(2, 1) prior on 1 / T.

    The prior is highest at T = 1, so that the likelihood of these images never gets worse, and
    keeps a few images that are all told right from driving T to 0.

    Args:
        logits: (N, K).
        labels: (N,), numbers of classes.

    Returns:
        more than 1 for a network that is too sure of itself, less for one that is not sure enough.
    """
    images = len(labels)
    scores = logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        inverse = math.exp(-log_temperature)
        believed = log_softmax(scores * inverse, axis=1)[np.arange(images), labels]
        return float(-believed.sum() + PRIOR * (inverse + log_temperature)) / images

    # The loss has one minimum, because it is convex in 1 / temperature.
    found = minimize_scalar(
        loss, bounds=(math.log(0.01), math.log(100)), method="bounded", options={"xatol": 1e-8}
    )
    return math.exp(found.x)


def threshold(found: list[float], sensitivity: float) -> float:
    """The highest threshold with which at least this share of a class's images is found.

    Args:
        found: ascending, the class's probability in each validation image of it.
        sensitivity: more than 0, at most 1.
    """
    # The small number: 20 images at 0.95 may miss one, although 20 * (1 - 0.95) is below 1.
    missed = math.floor(len(found) * (1 - sensitivity) + 1e-9)
    return found[min(missed, len(found) - 1)]
