"""Find a learning rate: raise it from step to step, and see where the loss falls fastest.

The learning rate range test of Smith 2017.
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
from cxr.pipeline.files import atomic_write
from cxr.pipeline.params import Train, load
from cxr.plotting.figures import figure
from stages.train.data import Loader, build_loader
from stages.train.loss import training_loss
from stages.train.optimizer import build_optimizer
from stages.train.setup import TrainingSetup, build_setup

STEPS = 100
LOWEST, HIGHEST = 1e-6, 10.0
SMOOTHING = 0.9
"""Of the loss: the weight of what was before, at each step."""
SKIPPED = 10
"""The first steps are not looked at: their average is of few batches."""
DIVERGED = 4.0
"""The search ends when the smoothed loss is so many times its lowest value."""


def find_lr(params_path: Path, pixels: Path, split: Path, plots: Path) -> None:
    """Search, write the curve, print the suggestion."""
    params = load(params_path)
    lr = params.architectures[params.model].lr
    start = build_setup(params, pixels, split)
    curve = search(start, params.train, default_device())
    with atomic_write(plots) as folder:
        folder.mkdir()
        curve.to_csv(folder / "find_lr.csv", index=False, lineterminator="\n", float_format="%.6g")
        found = suggestion(curve)
        draw(folder / "find_lr.png", curve, found, params.model)
    print(f"suggested: architectures.{params.model}.lr: {found:.1g} (now {lr:g})")


def search(start: TrainingSetup, settings: Train, device: torch.device) -> pd.DataFrame:
    """Train for up to 100 steps, in fp32, each at a higher learning rate than the last.

    Returns:
        a row for each step: `lr`, `loss` of the batch, `smoothed` loss.
    """
    network = start.classifier.network.to(device).train()
    weights = start.class_weights.to(device)
    optimizer = build_optimizer(network, settings, lr=1.0)
    relative = [group["lr"] for group in optimizer.param_groups]
    rows: list[tuple[float, float, float]] = []
    average = 0.0
    batches = endless(build_loader(start.training, settings, pin_memory=False))
    for step, (images, labels) in zip(range(STEPS), batches, strict=False):
        lr = LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1))
        for group, share in zip(optimizer.param_groups, relative, strict=True):
            group["lr"] = lr * share
        logits = network(start.classifier.info.normalize(images.to(device)))
        loss = training_loss(logits, labels.to(device), weights, settings)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average = SMOOTHING * average + (1 - SMOOTHING) * loss.item()
        # Of the first steps, the average is too low by what it has not seen.
        smoothed = average / (1 - SMOOTHING ** (step + 1))
        if not math.isfinite(smoothed):
            break
        rows.append((lr, loss.item(), smoothed))
        if smoothed > DIVERGED * min(row[2] for row in rows):
            break
    return pd.DataFrame(rows, columns=["lr", "loss", "smoothed"])


def endless(batches: Loader) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch after the other."""
    for epoch in count():
        batches.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        yield from batches


def suggestion(curve: pd.DataFrame) -> float:
    """The learning rate at which the smoothed loss falls fastest, before its lowest point.

    Raises:
        UserError: if it never falls.
    """
    looked_at = curve.iloc[SKIPPED:]
    falling = looked_at.iloc[: int(looked_at["smoothed"].argmin()) + 1]
    if len(falling) < 3:
        raise UserError(
            "the loss does not fall at any learning rate: look at params.yaml (train.optimizer, "
            "train.weights) and at the pictures of the split stage."
        )
    slope = np.gradient(falling["smoothed"], np.log(falling["lr"]))
    return float(falling["lr"].iloc[int(slope.argmin())])


def draw(path: Path, curve: pd.DataFrame, found: float, name: str) -> None:
    """Draw loss over learning rate, the suggestion marked."""
    with figure(path, figsize=(7, 4.5)) as (_, axis):
        axis.plot(curve["lr"], curve["loss"], color="0.75", linewidth=1, label="loss of a batch")
        axis.plot(curve["lr"], curve["smoothed"], label="smoothed")
        axis.axvline(
            found, color="0.4", linestyle="--", linewidth=1, label=f"suggested: {found:.1g}"
        )
        axis.set_xscale("log")
        axis.set_ylim(0, DIVERGED / 2 * curve["smoothed"].iloc[0])
        axis.set_xlabel("Learning rate")
        axis.set_ylabel("Training loss")
        axis.set_title(f"Learning rate search, {name}")
        axis.legend()
