"""How good an epoch was: the numbers of the learning curves."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torchmetrics.functional.classification import multiclass_auroc, multiclass_recall


def scores(logits: Tensor, labels: Tensor, weights: Tensor) -> dict[str, float]:
    """Loss, accuracy, balanced accuracy and AUROC of a whole epoch.

    Balanced accuracy (mean recall) and AUROC (one against the rest, mean) are taken over the
    classes that are there; AUROC is NaN if there is only one.

    Args:
        logits: float32 (N, classes).
        labels: int64 (N,).
        weights: float32 (classes,), of the classes in the loss (without label smoothing).
    """
    # On the CPU: sums over sorted scores have no deterministic implementation on GPUs.
    logits, labels, weights = logits.cpu(), labels.cpu(), weights.cpu()
    classes = logits.shape[1]
    there = torch.bincount(labels, minlength=classes) > 0
    if there.sum() > 1:
        auroc = multiclass_auroc(logits.softmax(1), labels, classes, average=None)[there].mean()
    else:
        auroc = torch.tensor(torch.nan)
    recall = multiclass_recall(logits, labels, classes, average=None)[there].mean()
    return {
        "loss": cross_entropy(logits, labels, weights).item(),
        "accuracy": (logits.argmax(1) == labels).float().mean().item(),
        "balanced_accuracy": recall.item(),
        "auroc": auroc.item(),
    }
