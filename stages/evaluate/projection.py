"""The features of the last layer brought to a plane."""

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from cxr.metrics.classification import Floats

MOST = 2000
"""Images: t-SNE of more takes minutes, and a picture shows no more."""
COMPONENTS = 50
PERPLEXITY = 30


def sample(images: int) -> NDArray[np.int64]:
    """At most `MOST` places, evenly spread."""
    return np.unique(np.linspace(0, images - 1, min(images, MOST)).round().astype(np.int64))


def plane(features: NDArray[np.float32], seed: int) -> Floats:
    """Principal components, then t-SNE (van der Maaten and Hinton 2008), which begins from them.

    Neighbours stay neighbours; distances between groups and their sizes mean nothing.

    Args:
        features: (N, F).

    Returns:
        (N, 2); of fewer than four images, the principal components alone; of equal ones, zeros.
    """
    images = len(features)
    if (features == features[0]).all():
        return np.zeros((images, 2))
    # With several threads, sums are taken in an order that changes from run to run.
    with threadpool_limits(1):
        components = min(COMPONENTS, *features.shape)
        reduced = PCA(components, svd_solver="full").fit_transform(features.astype(np.float64))
        if images < 4:
            return np.pad(reduced, ((0, 0), (0, 2)))[:, :2]
        perplexity = min(PERPLEXITY, (images - 1) / 3)
        tsne = TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
        found: Floats = tsne.fit_transform(reduced).astype(np.float64)
    return found
