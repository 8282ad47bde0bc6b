"""Learning-rate range test (Smith 2017).

The learning rate rises from step to step. The suggestion is the rate at which the loss falls
fastest.

Lightning's `Tuner.lr_find` is not used: it sets one rate for all layers (which ignores
`layer_decay`), takes the slope over the rate instead of its logarithm, and writes a
checkpoint into the working directory.
"""

import math
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from cxr.models.devices import default_device
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import Training, load
from cxr.pipeline.tables import write_csv
from cxr.plotting.figures import figure
from stages.train.data import Loader, build_loader
from stages.train.loss import training_loss
from stages.train.optimizer import build_optimizer
from stages.train.setup import TrainingSetup, build_setup

STEPS = 100
MIN_LR, MAX_LR = 1e-6, 10.0
SMOOTHING = 0.9
"""Decay of the moving average of the loss."""
SKIPPED_STEPS = 10
"""Ignored by the suggestion, because their averages have few batches."""
DIVERGENCE_FACTOR = 4.0
"""The test ends when the smoothed loss exceeds its minimum by this factor."""


def find_lr(params_path: Path, pixels: Path, split: Path, plots: Path) -> None:
    """Run the test, write the curve, print the suggestion."""
    params = load(params_path)
    factor = params.architectures[params.model].lr_factor
    settings = params.training()
    setup = build_setup(params, pixels, split)
    curve = range_test(setup, settings, default_device())
    lr = suggest_lr(curve)
    write_csv(plots / "find_lr.csv", curve)
    draw_curve(plots / "find_lr.png", curve, lr, params.model)
    print(
        f"suggestion: recipes.{params.recipe}.lr: {lr / factor:.1g} "
        f"(currently {settings.lr / factor:g})"
    )


def range_test(setup: TrainingSetup, settings: Training, device: torch.device) -> pd.DataFrame:
    """Train for up to 100 steps in fp32, each with a higher learning rate.

    Returns:
        a row for each step: `lr`, `loss` of the batch, `smoothed` loss.
    """
    network = setup.classifier.network.to(device).train()
    class_weights = setup.class_weights.to(device)
    optimizer = build_optimizer(network, settings.model_copy(update={"lr": 1.0}))
    lr_scales = [group["lr"] for group in optimizer.param_groups]
    rows: list[tuple[float, float, float]] = []
    average = 0.0
    batches = endless(build_loader(setup.training, settings, device))
    for step, (images, targets) in zip(range(STEPS), batches, strict=False):
        lr = MIN_LR * (MAX_LR / MIN_LR) ** (step / (STEPS - 1))
        for group, scale in zip(optimizer.param_groups, lr_scales, strict=True):
            group["lr"] = lr * scale
        logits = network(setup.classifier.info.normalize(images.to(device)))
        loss = training_loss(logits, targets.to(device), class_weights, settings)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average = SMOOTHING * average + (1 - SMOOTHING) * loss.item()
        # Bias correction for the initial value 0, as in Adam.
        smoothed = average / (1 - SMOOTHING ** (step + 1))
        if not math.isfinite(smoothed):
            break
        rows.append((lr, loss.item(), smoothed))
        if smoothed > DIVERGENCE_FACTOR * min(row[2] for row in rows):
            break
    return pd.DataFrame(rows, columns=["lr", "loss", "smoothed"])


def endless(loader: Loader) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of one epoch after another."""
    for epoch in count():
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        yield from loader


def suggest_lr(curve: pd.DataFrame) -> float:
    """Return the learning rate at which the smoothed loss falls fastest, before its minimum.

    Raises:
        UserError: if it never falls.
    """
    curve = curve.iloc[SKIPPED_STEPS:]
    falling = curve.iloc[: int(curve["smoothed"].argmin()) + 1]
    if len(falling) < 3:
        raise UserError(
            "the loss does not fall at any learning rate: check the recipe's optimizer and weights "
            "in params.yaml, and the plots of the split stage."
        )
    slope = np.gradient(falling["smoothed"], np.log(falling["lr"]))
    return float(falling["lr"].iloc[int(slope.argmin())])


def draw_curve(path: Path, curve: pd.DataFrame, lr: float, model: str) -> None:
    """Draw the loss over the learning rate, with the suggestion marked."""
    with figure(path, figsize=(7, 4.5)) as (_, axes):
        axes.plot(curve["lr"], curve["loss"], color="0.75", linewidth=1, label="loss of a batch")
        axes.plot(curve["lr"], curve["smoothed"], label="smoothed")
        axes.axvline(lr, color="0.4", linestyle="--", linewidth=1, label=f"suggestion: {lr:.1g}")
        axes.set_xscale("log")
        axes.set_ylim(0, DIVERGENCE_FACTOR / 2 * curve["smoothed"].iloc[0])
        axes.set_xlabel("Learning rate")
        axes.set_ylabel("Training loss")
        axes.set_title(f"Learning-rate range test of {model}")
        axes.legend()
