"""The LightningModule: training and validation steps, and what happens around each epoch."""

import math
import time
from typing import Any

import lightning
import torch
import torch.distributed
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor, nn

from cxr.models.info import ModelInfo
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import Training
from stages.train.average import MovingAverage
from stages.train.cuda_graph import Forward, capture
from stages.train.epoch_metrics import epoch_metrics
from stages.train.history import History
from stages.train.loss import mixup, training_loss
from stages.train.optimizer import build_optimizer, build_schedule, freeze_backbone
from stages.train.sampler import rank_and_world_size
from stages.train.seeding import seed_sequence

CHECK_EVERY = 50
"""Steps between two looks at the loss, to show it and to stop if it diverged. Each makes the CPU
wait for the GPU, which then has nothing to do until the next step reaches it."""

Batch = tuple[Tensor, Tensor]


class TrainingModule(lightning.LightningModule):
    """A network in training. `kept_state` is the state dict of the epoch that is saved so far.

    Args:
        info: class names and normalization.
        class_weights: float32 (classes,), for the loss.
        history: gets the metrics of each epoch.
    """

    def __init__(
        self,
        model: nn.Module,
        info: ModelInfo,
        settings: Training,
        class_weights: Tensor,
        history: History,
    ) -> None:
        super().__init__()
        self.model = model
        self.info = info
        self.settings = settings
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.class_weights: Tensor
        self.history = history
        self.ema = MovingAverage(model, settings.ema_decay) if settings.ema_decay else None
        self.kept_state: dict[str, Tensor] = {}
        self.graph: Forward | None = None
        self.outputs: dict[str, list[Batch]] = {"train": [], "val": []}
        self.losses: list[Tensor] = []
        self.epoch_start = 0.0
        self.training_seconds = 0.0

    @property
    def eval_model(self) -> nn.Module:
        """The network that is validated and saved: the moving average if there is one."""
        return self.model if self.ema is None else self.ema.module

    def on_train_start(self) -> None:
        # A run that was interrupted after its last epoch has nothing left to train.
        self.trainer.should_stop = self.patience_exceeded()

    def on_train_epoch_start(self) -> None:
        # Dropout depends on the epoch and the process, not on what was drawn before.
        torch.manual_seed(int(seed_sequence("dropout", *self.seed_key()).generate_state(1)[0]))
        freeze_backbone(self.model, self.current_epoch < self.settings.freeze_epochs)
        self.outputs = {"train": [], "val": []}
        self.losses = []
        self.epoch_start = time.perf_counter()

    def training_step(self, batch: Batch, index: int) -> Tensor:
        images, targets = batch
        inputs = self.info.normalize(images)
        if self.settings.mixup_alpha:
            seed = seed_sequence("mixup", *self.seed_key(), index)
            inputs, other_targets, weight = mixup(inputs, targets, self.settings.mixup_alpha, seed)
            logits = self.logits(inputs)
            loss = weight * self.loss(logits, targets)
            loss = loss + (1 - weight) * self.loss(logits, other_targets)
        else:
            logits = self.logits(inputs)
            loss = self.loss(logits, targets)
        self.outputs["train"].append((logits.detach(), targets))
        self.losses.append(loss.detach())
        if (index + 1) % CHECK_EVERY == 0:
            self.stop_if_diverged()
            self.log("loss", loss.detach(), prog_bar=True, logger=False)
        return loss

    def record_graph(self) -> Forward | None:
        """Record the network as a CUDA graph, if this process uses one GPU alone."""
        settings = self.settings
        if (
            self.device.type != "cuda"
            or not isinstance(self.trainer.strategy, SingleDeviceStrategy)
            or settings.accumulate_grad_batches > 1
            or settings.freeze_epochs == settings.epochs
        ):
            return None
        freeze_backbone(self.model, False)
        shape = (settings.batch_size, self.info.size, self.info.size)
        images = self.info.normalize(torch.zeros(shape, dtype=torch.uint8, device=self.device))
        return capture(self.model, images, bf16=self.trainer.precision == "bf16-mixed")

    def logits(self, inputs: Tensor) -> Tensor:
        """Compute logits, float32 (N, classes). The last batch of an epoch may be smaller."""
        frozen = self.current_epoch < self.settings.freeze_epochs
        if self.graph is not None and len(inputs) == self.settings.batch_size and not frozen:
            return self.graph(inputs)
        logits: Tensor = self.model(inputs).float()
        return logits

    def seed_key(self) -> list[int]:
        """Return what random numbers depend on: the seed, the epoch and the process."""
        return [self.settings.seed, self.current_epoch, rank_and_world_size()[0]]

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss of this process's images; its mean over processes is the batch's."""
        loss = training_loss(logits, targets, self.class_weights, self.settings)
        _, world_size = rank_and_world_size()
        if world_size > 1:
            weight = self.class_weights[targets].sum()
            total = weight.clone()
            torch.distributed.all_reduce(total)
            loss = loss * world_size * weight / total
        return loss

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Update the weights and their moving average."""
        super().optimizer_step(*args, **kwargs)
        if self.ema is not None:
            self.ema.update(self.model, step=self.trainer.global_step + 1)

    def configure_gradient_clipping(self, *args: Any, **kwargs: Any) -> None:
        """Clip the gradient norm. (Lightning's own refuses fused optimizers in bf16.)"""
        if self.settings.gradient_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.gradient_clip)

    def stop_if_diverged(self) -> None:
        """Raise a UserError for the first loss of this epoch that is NaN or infinite."""
        bad_steps = (~torch.isfinite(torch.stack(self.losses))).nonzero()
        if len(bad_steps):
            raise self.diverged(f"epoch {self.current_epoch + 1}, step {int(bad_steps[0]) + 1}")

    def diverged(self, where: str) -> UserError:
        """Return the error for a diverged training."""
        return UserError(
            f"the loss became NaN or infinite in {where}, at a learning rate of "
            f"{self.settings.lr:g}: decrease recipes.{self.settings.recipe}.lr in params.yaml."
        )

    def on_validation_start(self) -> None:
        self.stop_if_diverged()
        self.training_seconds = time.perf_counter() - self.epoch_start

    def validation_step(self, batch: Batch, index: int) -> None:
        images, targets = batch
        with torch.autocast(self.device.type, enabled=False):
            logits = self.eval_model(self.info.normalize(images))
        self.outputs["val"].append((logits, targets))

    def on_train_epoch_end(self) -> None:
        """Compute the metrics of the epoch (validation has run before); keep its state if best."""
        outputs = {subset: gather(batches) for subset, batches in self.outputs.items()}
        if not torch.isfinite(outputs["val"][0]).all():
            raise self.diverged(f"epoch {self.current_epoch + 1}, after its last step")
        metrics = {
            f"{subset}/{name}": value
            for subset, (logits, targets) in outputs.items()
            for name, value in epoch_metrics(logits, targets, self.class_weights).items()
        }
        if math.isnan(metrics.get(f"val/{self.settings.monitor}", 0.0)):
            raise UserError(
                f"params.yaml: recipes.{self.settings.recipe}.monitor: {self.settings.monitor} is "
                "undefined on this validation set (only one class): choose another, or change "
                "split.fold."
            )
        self.history.append(metrics, len(outputs["train"][1]), self.training_seconds)
        displayed = {
            name: metrics[f"val/{name}"] for name in ("loss", "balanced_accuracy", "auroc")
        }
        self.log_dict(displayed, prog_bar=True, logger=False)
        if self.history.kept() == len(self.history.epochs):
            self.kept_state = {
                name: tensor.detach().to("cpu", copy=True)
                for name, tensor in self.eval_model.state_dict().items()
            }
        self.trainer.should_stop = self.patience_exceeded()

    def on_train_end(self) -> None:
        # Lightning moves the network to the CPU next, where its graph is of no use.
        self.graph = None

    def patience_exceeded(self) -> bool:
        """Whether the last `patience` epochs brought no improvement."""
        if not self.settings.patience or not self.history.epochs:
            return False
        best_epoch = max(self.history.kept(), self.settings.freeze_epochs)
        return len(self.history.epochs) - best_epoch >= self.settings.patience

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["history"] = self.history.epochs
        checkpoint["kept_state"] = self.kept_state

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history.epochs = checkpoint["history"]
        self.kept_state = checkpoint["kept_state"]
        print(f"resuming after epoch {len(self.history.epochs)}", flush=True)

    def configure_optimizers(self) -> Any:
        # Not earlier: Lightning frees cuBLAS's memory, which a graph uses, before this. Not later:
        # the next lines but one start the thread that pins the images' memory, and no other thread
        # may call CUDA while a graph is recorded.
        self.graph = self.record_graph()
        optimizer = build_optimizer(self.model, self.settings)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = build_schedule(optimizer, self.settings, steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def gather(batches: list[Batch]) -> Batch:
    """Concatenate the logits and targets of an epoch from all processes, on the CPU."""
    logits, targets = (torch.cat(tensors).cpu() for tensors in zip(*batches, strict=True))
    _, world_size = rank_and_world_size()
    if world_size == 1:
        return logits, targets
    shards = [(logits, targets)] * world_size
    torch.distributed.all_gather_object(shards, (logits, targets))
    return torch.cat([shard[0] for shard in shards]), torch.cat([shard[1] for shard in shards])
