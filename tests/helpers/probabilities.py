"""Random probabilities of a network that is better than chance."""

import numpy as np

from cxr.pipeline.params import Evaluate


def task(images=200, classes=3, seed=0, digits=2):
    """Class indices, and probabilities that are correlated with them and have ties."""
    random = np.random.default_rng(seed)
    actual = random.integers(classes, size=images)
    probs = random.dirichlet(np.ones(classes), images) + 0.6 * np.eye(classes)[actual]
    # Rounded, so that ties occur.
    return actual, np.round(probs / probs.sum(1, keepdims=True), digits)


def drawn(resamples, confidence=0.95):
    return Evaluate(
        resamples=resamples,
        confidence=confidence,
        seed=0,
        positive_class=[],
        target_sensitivity=0.95,
    )
