"""One epoch after the other: what Lightning's Trainer is told to do."""

import math
import time
from typing import Any

import lightning
import torch
import torch.distributed
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from cxr.models.info import ModelInfo
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import Train
from stages.train.loss import loss_of, mixed
from stages.train.optimizer import create, freeze_backbone, schedule
from stages.train.order import process
from stages.train.records import Records
from stages.train.scores import scores
from stages.train.seeding import seeded

CHECK_EVERY = 20
"""Steps between looks at the loss: each makes the CPU wait for the GPU."""

Batch = tuple[Tensor, Tensor]


class TrainingModule(lightning.LightningModule):
    """A network in training. `best_state` holds the state of the best epoch.

    Args:
        info: its class names and normalization.
        class_weights: float32 (classes,), for the loss.
        records: told of each epoch.
    """

    def __init__(
        self,
        model: nn.Module,
        info: ModelInfo,
        settings: Train,
        lr: float,
        class_weights: Tensor,
        records: Records,
    ) -> None:
        super().__init__()
        self.model = model
        self.info = info
        self.settings = settings
        self.lr = lr
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.class_weights: Tensor
        self.records = records
        self.average: ModelEmaV3 | None = None
        if settings.ema:
            self.average = ModelEmaV3(model, settings.ema, use_warmup=True)
            self.average.requires_grad_(False)
        self.best_state: dict[str, Tensor] = {}
        self.seen: dict[str, list[Batch]] = {"train": [], "val": []}
        self.losses: list[Tensor] = []
        self.started = 0.0
        self.seconds = 0.0

    @property
    def kept(self) -> nn.Module:
        """What is validated and kept: the network, or the moving average of its weights."""
        return self.model if self.average is None else self.average.module

    def on_train_start(self) -> None:
        # A run that was killed after its last epoch has nothing to train any more.
        self.trainer.should_stop = self.exhausted()

    def on_train_epoch_start(self) -> None:
        # Dropout depends on the epoch and the process, not on what was drawn before.
        torch.manual_seed(int(seeded("dropout", *self.identity()).generate_state(1)[0]))
        freeze_backbone(self.model, self.current_epoch < self.settings.freeze_epochs)
        self.seen = {"train": [], "val": []}
        self.losses = []
        self.started = time.perf_counter()

    def training_step(self, batch: Batch, index: int) -> Tensor:
        images, labels = batch
        inputs = self.info.normalize(images)
        if self.settings.mixup:
            inputs, others, share = mixed(
                inputs, labels, self.settings.mixup, seeded("mixup", *self.identity(), index)
            )
            logits = self.model(inputs).float()
            loss = share * self.loss(logits, labels) + (1 - share) * self.loss(logits, others)
        else:
            logits = self.model(inputs).float()
            loss = self.loss(logits, labels)
        self.seen["train"].append((logits.detach(), labels))
        self.losses.append(loss.detach())
        self.log("loss", loss.detach(), prog_bar=True, logger=False)
        if (index + 1) % CHECK_EVERY == 0:
            self.stop_if_diverged()
        return loss

    def identity(self) -> list[int]:
        """What random numbers depend on: the seed, the epoch and the process."""
        return [self.settings.seed, self.current_epoch, process()[0]]

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of this process's images, so that the mean over processes is the batch's."""
        loss = loss_of(logits, labels, self.class_weights, self.settings)
        _, processes = process()
        if processes > 1:
            weight = self.class_weights[labels].sum()
            total = weight.clone()
            torch.distributed.all_reduce(total)
            loss = loss * processes * weight / total
        return loss

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Change the weights, and then their moving average."""
        super().optimizer_step(*args, **kwargs)
        if self.average is not None:
            self.average.update(self.model, step=self.trainer.global_step + 1)

    def configure_gradient_clipping(self, *args: Any, **kwargs: Any) -> None:
        """Shorten long gradients. (Lightning's own refuses fused optimizers in bf16.)"""
        if self.settings.gradient_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.gradient_clip)

    def stop_if_diverged(self) -> None:
        """Raise a UserError at the first loss of this epoch that is no finite number."""
        wrong = (~torch.isfinite(torch.stack(self.losses))).nonzero()
        if len(wrong):
            raise self.diverged(f"epoch {self.current_epoch + 1}, step {int(wrong[0]) + 1}")

    def diverged(self, where: str) -> UserError:
        """What to say when training blew up."""
        return UserError(
            f"the loss is no number any more in {where}: lower "
            f"architectures.{self.info.architecture}.lr ({self.lr}) in params.yaml."
        )

    def on_validation_start(self) -> None:
        self.stop_if_diverged()
        self.seconds = time.perf_counter() - self.started

    def validation_step(self, batch: Batch, index: int) -> None:
        images, labels = batch
        with torch.autocast(self.device.type, enabled=False):
            logits = self.kept(self.info.normalize(images))
        self.seen["val"].append((logits, labels))

    def on_train_epoch_end(self) -> None:
        """Score the epoch on both sides (validation has run already) and keep the best."""
        seen = {side: gathered(batches) for side, batches in self.seen.items()}
        if not torch.isfinite(seen["val"][0]).all():
            raise self.diverged(f"epoch {self.current_epoch + 1}, after its last step")
        epoch = {
            f"{side}/{name}": value
            for side, (logits, labels) in seen.items()
            for name, value in scores(logits, labels, self.class_weights).items()
        }
        if math.isnan(epoch[f"val/{self.settings.monitor}"]):
            raise UserError(
                f"train.monitor: {self.settings.monitor} is not defined on this validation "
                "set (one class only): choose another, or change split.fold in params.yaml."
            )
        self.records.epoch(epoch, len(seen["train"][1]), self.seconds)
        shown = {name: epoch[f"val/{name}"] for name in ("loss", "balanced_accuracy", "auroc")}
        self.log_dict(shown, prog_bar=True, logger=False)
        if self.records.best()[0] == len(self.records.history):
            self.best_state = {
                name: tensor.detach().cpu().clone()
                for name, tensor in self.kept.state_dict().items()
            }
        self.trainer.should_stop = self.exhausted()

    def exhausted(self) -> bool:
        """Whether training went on for `patience` epochs without a better one."""
        if not self.settings.patience or not self.records.history:
            return False
        since = max(self.records.best()[0], self.settings.freeze_epochs)
        return len(self.records.history) - since >= self.settings.patience

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


def gathered(batches: list[Batch]) -> Batch:
    """The logits and labels of an epoch, of all processes, on the CPU."""
    logits, labels = (torch.cat(parts).cpu() for parts in zip(*batches, strict=True))
    _, processes = process()
    if processes == 1:
        return logits, labels
    parts = [(logits, labels)] * processes
    torch.distributed.all_gather_object(parts, (logits, labels))
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
