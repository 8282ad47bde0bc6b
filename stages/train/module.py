"""One epoch after the other: what Lightning's Trainer is told to do."""

import math
import time
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from stages.command import UserError
from stages.models import Card, normalised
from stages.params import Train
from stages.train.optimizer import create, freeze_backbone, schedule
from stages.train.records import Records
from stages.train.scores import scores

CHECK_EVERY = 20
"""Steps between looks at the loss: each makes the CPU wait for the GPU."""

Batch = tuple[Tensor, Tensor]


class Classifier(lightning.LightningModule):
    """A network in training. `best_state` holds the state of the best epoch.

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
        self.best_state: dict[str, Tensor] = {}
        self.seen: dict[str, list[Batch]] = {"train": [], "val": []}
        self.losses: list[Tensor] = []
        self.started = 0.0
        self.seconds = 0.0

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
        self.seconds = time.perf_counter() - self.started

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
        if math.isnan(epoch[f"val/{self.settings.monitor}"]):
            raise UserError(
                f"train.monitor: {self.settings.monitor} is not defined on this validation "
                "set (one class only): choose another, or change split.fold in params.yaml."
            )
        images = sum(len(labels) for _, labels in self.seen["train"])
        self.records.epoch(epoch, images, self.seconds)
        if self.records.best()[0] == len(self.records.history):
            self.best_state = {
                name: tensor.detach().cpu().clone()
                for name, tensor in self.model.state_dict().items()
            }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["history"] = self.records.history
        checkpoint["best_state"] = self.best_state

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.records.history = checkpoint["history"]
        self.best_state = checkpoint["best_state"]
        print(f"going on after epoch {len(self.records.history)}", flush=True)

    def configure_optimizers(self) -> Any:
        optimizer = create(self.model, self.settings, self.lr)
        steps = int(self.trainer.estimated_stepping_batches)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": schedule(optimizer, self.settings, steps),
                "interval": "step",
            },
        }
