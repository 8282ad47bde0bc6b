"""Loss functions, class weights and mixup."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from cxr.pipeline.params import Training


def class_weights(targets: NDArray[np.int64], classes: int, imbalance: str) -> Tensor:
    """Compute the weight of each class in the loss, float32 (classes,).

    `weights`: images / (classes x images of the class), scikit-learn's "balanced".
    Otherwise: 1.
    """
    if imbalance != "weights":
        return torch.ones(classes)
    counts = np.bincount(targets, minlength=classes)
    return torch.from_numpy(len(targets) / (classes * counts)).float()


def training_loss(logits: Tensor, targets: Tensor, weights: Tensor, settings: Training) -> Tensor:
    """Mean loss of a batch: weighted cross-entropy or focal loss.

    Args:
        logits: float32 (N, classes).
        targets: int64 (N,).
        weights: float32 (classes,), see `class_weights`.
    """
    if settings.imbalance == "focal":
        return focal_loss(logits, targets, settings.focal_gamma, settings.label_smoothing)
    return cross_entropy(logits, targets, weights, label_smoothing=settings.label_smoothing)


def focal_loss(logits: Tensor, targets: Tensor, gamma: float, smoothing: float = 0.0) -> Tensor:
    """Mean of (1 - p)^gamma times the cross-entropy, with p the probability of the target.

    Lin et al. 2017, equation 4, with softmax for several classes.
    """
    losses = cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")
    target_probs = logits.softmax(1).gather(1, targets[:, None])[:, 0]
    return ((1 - target_probs) ** gamma * losses).mean()


def mixup(
    images: Tensor, targets: Tensor, alpha: float, seed: np.random.SeedSequence
) -> tuple[Tensor, ...]:
    """Blend each image with the previous one in the batch (mixup, Zhang et al. 2018).

    Args:
        images: float32 (N, 1, S, S).
        targets: int64 (N,).
        alpha: the blending weight is drawn from Beta(alpha, alpha); the larger of it and its
            complement goes to the image itself.
        seed: of the draw.

    Returns:
        the blended images, the targets of the previous images (N,), the weight of the images'
        own targets.
    """
    weight = np.random.default_rng(seed).beta(alpha, alpha)
    weight = max(weight, 1 - weight)
    blended = weight * images + (1 - weight) * images.roll(1, 0)
    return blended, targets.roll(1, 0), torch.tensor(weight, dtype=images.dtype)
