"""Metrics of one epoch, as shown in the learning curves."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torchmetrics.functional.classification import multiclass_auroc, multiclass_recall


def epoch_metrics(logits: Tensor, targets: Tensor, weights: Tensor) -> dict[str, float]:
    """Compute loss, accuracy, balanced accuracy and AUROC of an epoch.

    Balanced accuracy (mean recall) and AUROC (mean of one class against the rest) are averaged
    over the classes that have images; AUROC is NaN if there is only one.

    Args:
        logits: float32 (N, classes).
        targets: int64 (N,).
        weights: float32 (classes,), of the classes in the loss (without label smoothing).
    """
    # On the CPU: the cumulative sums of AUROC have no deterministic implementation on GPUs.
    logits, targets, weights = logits.cpu(), targets.cpu(), weights.cpu()
    classes = logits.shape[1]
    present = torch.bincount(targets, minlength=classes) > 0
    if present.sum() > 1:
        auroc = multiclass_auroc(logits.softmax(1), targets, classes, average=None)[present].mean()
    else:
        auroc = torch.tensor(torch.nan)
    recall = multiclass_recall(logits, targets, classes, average=None)[present].mean()
    return {
        "loss": cross_entropy(logits, targets, weights).item(),
        "accuracy": (logits.argmax(1) == targets).float().mean().item(),
        "balanced_accuracy": recall.item(),
        "auroc": auroc.item(),
    }
