"""How the weights are changed: which of them, by what rule, and how fast at which step."""

import math
from typing import Any

import timm.optim
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from cxr.pipeline.params import Train


class Lamb(torch.optim.AdamW):
    """AdamW whose step moves each layer by `lr` times the norm of its weights (You et al. 2020).

    Biases and normalisation, which have no weight decay, move as in AdamW. timm's own LAMB takes
    square roots by MKL's vector library, whose last bit depends on the processor.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Change the weights."""
        scaled = [
            (parameter, parameter.clone(), group["lr"])
            for group in self.param_groups
            for parameter in group["params"]
            if group["weight_decay"] and parameter.grad is not None
        ]
        loss = super().step(closure)
        for parameter, before, lr in scaled:
            change = parameter - before
            ratio = lr * before.norm() / change.norm()
            # Without a change (0 / 0), or from weights that are all 0, the step stays as it was.
            ratio = torch.where(ratio.isfinite() & (ratio > 0), ratio, 1.0)
            parameter.copy_(before + ratio * change)
        return loss


def create(model: nn.Module, settings: Train, lr: float) -> torch.optim.Optimizer:
    """timm's optimizer, which leaves biases and normalisation out of the weight decay.

    With `layer_decay` d, a layer n steps before the classifier learns d^n times as fast
    (discriminative fine-tuning, Howard and Ruder 2018; layers as timm groups them).
    """
    optimizer = timm.optim.create_optimizer_v2(
        model,
        opt="adamw" if settings.optimizer == "lamb" else settings.optimizer,
        lr=lr,
        weight_decay=settings.weight_decay,
        # torch's fused SGD can't take parameters that join later, after a freeze.
        fused=settings.optimizer != "sgd",
        layer_decay=settings.layer_decay if settings.layer_decay < 1 else None,
    )
    if settings.optimizer == "lamb":
        optimizer = Lamb(optimizer.param_groups)
    for group in optimizer.param_groups:
        # timm leaves this to its own schedulers.
        group["lr"] *= group.get("lr_scale", 1.0)
    return optimizer


def schedule(optimizer: torch.optim.Optimizer, settings: Train, steps: int) -> LambdaLR:
    """The learning rate at each of `steps` steps: frozen epochs, warm-up, cosine."""
    per_epoch = steps // settings.epochs
    frozen = settings.freeze_epochs * per_epoch
    warmup = round(settings.warmup_epochs * per_epoch)
    return LambdaLR(optimizer, lambda step: lr_factor(step - frozen, warmup, steps - frozen))


def lr_factor(step: int, warmup: int, total: int) -> float:
    """Share of the full learning rate at a step: linear warm-up, then a cosine to 0.

    Steps before 0 belong to the frozen epochs, in which the rate is constant (Loshchilov and
    Hutter 2017, without restarts, for the cosine).
    """
    if step < 0:
        return 1.0
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def freeze_backbone(model: nn.Module, frozen: bool) -> None:
    """Train the whole network, or its classifier alone.

    A frozen backbone also keeps its batch-norm statistics and drops nothing out.
    """
    model.train(not frozen)
    model.requires_grad_(not frozen)
    classifier: nn.Module = model.get_classifier()  # type: ignore[operator]
    classifier.train()
    classifier.requires_grad_()
