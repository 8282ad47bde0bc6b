"""Optimizer, learning-rate schedule and freezing of the backbone."""

import math
from typing import Any

import timm.optim
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from cxr.models.pyramid import FeaturePyramid
from cxr.pipeline.params import Training


class Lamb(torch.optim.AdamW):
    """AdamW with each layer's step scaled to `lr` times the norm of its weights (You et al. 2020).

    Parameters without weight decay (biases and normalization) are updated as in AdamW. timm's own
    LAMB takes square roots with MKL's vector library, whose last bit depends on the processor.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Update the weights."""
        scaled: list[tuple[list[Tensor], tuple[Tensor, ...], float]] = []
        for group in self.param_groups:
            parameters = [each for each in group["params"] if each.grad is not None]
            if group["weight_decay"] and parameters:
                # A copy. One call for all layers: on a GPU, a network's many small ones take longer
                # to start than to run.
                before = torch._foreach_mul(parameters, 1.0)
                scaled.append((parameters, before, group["lr"]))
        loss = super().step(closure)
        for parameters, before, lr in scaled:
            changes = torch._foreach_sub(parameters, before)
            old, step = (torch.stack(torch._foreach_norm(each)) for each in (before, changes))
            ratios = lr * old / step
            # AdamW's step is kept if it is 0 (0 / 0) or all weights are 0.
            ratios = torch.where(ratios.isfinite() & (ratios > 0), ratios, 1.0)
            torch._foreach_mul_(changes, ratios.unbind())
            torch._foreach_add_(changes, before)
            torch._foreach_copy_(parameters, changes)
        return loss


def build_optimizer(model: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """Build timm's optimizer, without weight decay for biases and normalization.

    With `layer_decay` d, a layer n steps before the last one has a learning rate of d^n times the
    full one (discriminative fine-tuning, Howard and Ruder 2018; layers as grouped by timm).
    """
    optimizer = timm.optim.create_optimizer_v2(
        model,
        opt="adamw" if settings.optimizer == "lamb" else settings.optimizer,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        # torch's fused SGD does not support parameters that are unfrozen later.
        fused=settings.optimizer != "sgd",
        layer_decay=settings.layer_decay if settings.layer_decay < 1 else None,
    )
    if settings.optimizer == "lamb":
        optimizer = Lamb(optimizer.param_groups)
    for group in optimizer.param_groups:
        # timm leaves this to its own schedulers.
        group["lr"] *= group.get("lr_scale", 1.0)
    return optimizer


def build_schedule(optimizer: torch.optim.Optimizer, settings: Training, steps: int) -> LambdaLR:
    """Build the schedule over `steps` steps: constant in frozen epochs, then warm-up and cosine."""
    per_epoch = steps // settings.epochs
    frozen = settings.freeze_epochs * per_epoch
    warmup = round(settings.warmup_epochs * per_epoch)
    return LambdaLR(optimizer, lambda step: lr_factor(step - frozen, warmup, steps - frozen))


def lr_factor(step: int, warmup: int, total: int) -> float:
    """Return the fraction of the full learning rate: linear warm-up, then a cosine to 0.

    The cosine is that of Loshchilov and Hutter 2017, without restarts. Negative steps belong to
    the frozen epochs, where the rate is constant.
    """
    if step < 0:
        return 1.0
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def freeze_backbone(model: nn.Module, frozen: bool) -> None:
    """Make only the last layer (or the feature pyramid) trainable, or the whole network.

    A frozen backbone also keeps its batch-norm statistics and has no dropout.
    """
    trainable: list[nn.Module] = (
        [part for name, part in model.named_children() if name != "backbone"]
        if isinstance(model, FeaturePyramid)
        else [model.get_classifier()]  # type: ignore[operator]
    )
    model.train(not frozen)
    model.requires_grad_(not frozen)
    for part in trainable:
        part.train()
        part.requires_grad_()
