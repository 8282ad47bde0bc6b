"""One epoch after the other: what Lightning's Trainer is told to do."""

import math
import time
from typing import Any

import lightning
import numpy as np
import timm.optim
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from stages.command import UserError
from stages.models import Card, normalised
from stages.params import Train
from stages.train.records import Records
from stages.train.scores import scores

CHECK_EVERY = 20
"""Steps between looks at the loss: each makes the CPU wait for the GPU."""

Batch = tuple[Tensor, Tensor]


class Classifier(lightning.LightningModule):
    """A network in training. `best` holds the state of the best epoch, counted from 1.

    Args:
        card: its classes and normalisation.
        class_weights: float32 (classes,), for the loss.
        records: told of each epoch.
    """

    def __init__(
        self,
        model: nn.Module,
        card: Card,
        settings: Train,
        lr: float,
        class_weights: Tensor,
        records: Records,
    ) -> None:
        super().__init__()
        self.model = model
        self.card = card
        self.settings = settings
        self.lr = lr
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.class_weights: Tensor
        self.records = records
        self.best_epoch = 0
        self.best_score = math.inf if settings.monitor == "loss" else -math.inf
        self.best_state: dict[str, Tensor] = {}
        self.seen: dict[str, list[Batch]] = {"train": [], "val": []}
        self.losses: list[Tensor] = []
        self.started = 0.0

    def on_train_epoch_start(self) -> None:
        epoch = self.current_epoch
        # Dropout depends on the epoch alone, not on what was drawn before it.
        torch.manual_seed(
            int(np.random.SeedSequence([self.settings.seed, epoch]).generate_state(1)[0])
        )
        freeze_backbone(self.model, epoch < self.settings.freeze_epochs)
        self.seen = {"train": [], "val": []}
        self.losses = []
        self.started = time.perf_counter()

    def training_step(self, batch: Batch, index: int) -> Tensor:
        images, labels = batch
        logits = self.model(normalised(images, self.card)).float()
        loss = cross_entropy(
            logits, labels, self.class_weights, label_smoothing=self.settings.label_smoothing
        )
        self.seen["train"].append((logits.detach(), labels))
        self.losses.append(loss.detach())
        self.log("loss", loss.detach(), prog_bar=True, logger=False)
        if (index + 1) % CHECK_EVERY == 0:
            self.stop_if_diverged()
        return loss

    def stop_if_diverged(self) -> None:
        """Raise a UserError at the first loss of this epoch that is no finite number."""
        wrong = (~torch.isfinite(torch.stack(self.losses))).nonzero()
        if len(wrong):
            raise UserError(
                f"the loss is no number any more in epoch {self.current_epoch + 1}, step "
                f"{int(wrong[0]) + 1}: lower architectures.{self.card.architecture}.lr "
                f"({self.lr}) in params.yaml."
            )

    def on_validation_start(self) -> None:
        self.stop_if_diverged()
        self.records.trained(
            sum(len(labels) for _, labels in self.seen["train"]),
            time.perf_counter() - self.started,
        )

    def validation_step(self, batch: Batch, index: int) -> None:
        images, labels = batch
        with torch.autocast(self.device.type, enabled=False):
            logits = self.model(normalised(images, self.card))
        self.seen["val"].append((logits, labels))

    def on_train_epoch_end(self) -> None:
        """Score the epoch on both sides (validation has run already) and keep the best."""
        epoch = {
            f"{side}/{name}": value
            for side, batches in self.seen.items()
            for name, value in scores(
                torch.cat([logits for logits, _ in batches]),
                torch.cat([labels for _, labels in batches]),
                self.class_weights,
            ).items()
        }
        score = epoch[f"val/{self.settings.monitor}"]
        if math.isnan(score):
            raise UserError(
                f"train.monitor: {self.settings.monitor} is not defined on this validation "
                "set (one class only): choose another, or change split.fold in params.yaml."
            )
        best = self.best_score
        if score < best if self.settings.monitor == "loss" else score > best:
            self.best_epoch, self.best_score = self.current_epoch + 1, score
            self.best_state = {
                name: tensor.detach().cpu().clone()
                for name, tensor in self.model.state_dict().items()
            }
        self.records.epoch(epoch)

    def configure_optimizers(self) -> Any:
        # timm leaves biases and normalisation layers out of the weight decay.
        optimizer = timm.optim.create_optimizer_v2(
            self.model,
            opt=self.settings.optimizer,
            lr=self.lr,
            weight_decay=self.settings.weight_decay,
            fused=True,
        )
        total = int(self.trainer.estimated_stepping_batches)
        per_epoch = total // self.settings.epochs
        frozen = self.settings.freeze_epochs * per_epoch
        warmup = round(self.settings.warmup_epochs * per_epoch)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: lr_factor(step - frozen, warmup, total - frozen)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


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


def class_weights(labels: np.ndarray, classes: int, imbalance: str) -> Tensor:
    """Weights of the classes in the loss, float32 (classes,).

    `weights`: images / (classes x images of the class), scikit-learn's "balanced".
    `none`: 1.
    """
    if imbalance == "none":
        return torch.ones(classes)
    counts = np.bincount(labels, minlength=classes)
    return torch.from_numpy(len(labels) / (classes * counts)).float()
