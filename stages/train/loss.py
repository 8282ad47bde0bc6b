"""What training makes small, and how rare classes count in it."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cxr.pipeline.params import Train


def class_weights(labels: np.ndarray, classes: int, imbalance: str) -> Tensor:
    """Weights of the classes in the loss, float32 (classes,).

    `weights`: images / (classes x images of the class), scikit-learn's "balanced".
    Otherwise: 1.
    """
    if imbalance != "weights":
        return torch.ones(classes)
    counts = np.bincount(labels, minlength=classes)
    return torch.from_numpy(len(labels) / (classes * counts)).float()


def loss_of(logits: Tensor, labels: Tensor, weights: Tensor, settings: Train) -> Tensor:
    """The loss of a batch: weighted cross-entropy or focal loss, averaged.

    Args:
        logits: float32 (N, classes).
        labels: int64 (N,).
        weights: float32 (classes,), see `class_weights`.
    """
    if settings.imbalance == "focal":
        return focal(logits, labels, settings.focal_gamma, settings.label_smoothing)
    return cross_entropy(logits, labels, weights, label_smoothing=settings.label_smoothing)


def focal(logits: Tensor, labels: Tensor, gamma: float, smoothing: float = 0.0) -> Tensor:
    """Mean of (1 - p)^gamma times cross-entropy, p the probability of the right class.

    Lin et al. 2017, equation 4, with softmax for several classes.
    """
    each = cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
    right = logits.softmax(1).gather(1, labels[:, None])[:, 0]
    return ((1 - right) ** gamma * each).mean()


def mixed(
    images: Tensor, labels: Tensor, alpha: float, seed: np.random.SeedSequence
) -> tuple[Tensor, ...]:
    """Blend each image with the one before it in the batch (mixup, Zhang et al. 2018).

    Args:
        images: float32 (N, 1, S, S).
        labels: int64 (N,).
        alpha: the share is drawn from Beta(alpha, alpha), and is that of the greater part.
        seed: what the draw depends on.

    Returns:
        the images, the labels of the other parts (N,), the share of the images' own part.
    """
    share = np.random.default_rng(seed).beta(alpha, alpha)
    share = max(share, 1 - share)
    blended = share * images + (1 - share) * images.roll(1, 0)
    return blended, labels.roll(1, 0), torch.tensor(share, dtype=images.dtype)
