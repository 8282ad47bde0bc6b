"""What training makes small, and how rare classes count in it."""

import numpy as np
import torch
from torch import Tensor


def class_weights(labels: np.ndarray, classes: int, imbalance: str) -> Tensor:
    """Weights of the classes in the loss, float32 (classes,).

    `weights`: images / (classes x images of the class), scikit-learn's "balanced".
    `none`: 1.
    """
    if imbalance == "none":
        return torch.ones(classes)
    counts = np.bincount(labels, minlength=classes)
    return torch.from_numpy(len(labels) / (classes * counts)).float()
