"""Two-dimensional projection of the features of the network's last layer."""

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from cxr.metrics.classification import Floats

MAX_IMAGES = 2000
"""t-SNE of more takes minutes, and the plot shows no more."""
COMPONENTS = 50
PERPLEXITY = 30


def sample_evenly(images: int) -> NDArray[np.int64]:
    """Indices of at most `MAX_IMAGES` images, evenly spaced."""
    return np.unique(np.linspace(0, images - 1, min(images, MAX_IMAGES)).round().astype(np.int64))


def project_features(features: NDArray[np.float32], seed: int) -> Floats:
    """PCA, then t-SNE (van der Maaten and Hinton 2008) initialized with the first two components.

    t-SNE keeps neighbours together. The sizes of clusters and the distances between them have no
    meaning.

    Args:
        features: (N, F).

    Returns:
        (N, 2); the first two principal components for fewer than four images, zeros where all
        features are equal.
    """
    images = len(features)
    if (features == features[0]).all():
        return np.zeros((images, 2))
    # With several threads, the order of sums changes from run to run.
    with threadpool_limits(1):
        components = min(COMPONENTS, *features.shape)
        reduced = PCA(components, svd_solver="full").fit_transform(features.astype(np.float64))
        if images < 4:
            return np.pad(reduced, ((0, 0), (0, 2)))[:, :2]
        perplexity = min(PERPLEXITY, (images - 1) / 3)
        tsne = TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
        projected: Floats = tsne.fit_transform(reduced).astype(np.float64)
    return projected
