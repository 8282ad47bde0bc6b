"""Lightning's Trainer, configured for repeatable runs that write nothing but checkpoints."""

import logging
import signal
import sys
import warnings
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.strategies import DDPStrategy, Strategy
from lightning.pytorch.utilities import rank_zero_only
from timm.layers import convert_sync_batchnorm
from torch import nn

from cxr.pipeline.errors import UserError
from cxr.pipeline.params import Training
from stages.train.checkpoint import AtomicCheckpointIO, CheckpointEachEpoch
from stages.train.data import Loader
from stages.train.module import CHECK_EVERY, TrainingModule


def fit(
    module: TrainingModule, training: Loader, validation: Loader, precision: str, checkpoint: Path
) -> None:
    """Train for the epochs of the settings; the result is `module.kept_state`.

    Args:
        precision: fp32 or bf16, see `choose_precision`.
        checkpoint: written after each epoch. If it exists, training resumes from it.

    Raises:
        UserError: if the loss diverges or memory is too small.
    """
    settings = module.settings
    check_devices(settings)
    silence_lightning()
    # This check finds uses of uninitialized memory, costs 7 % of a step and is not needed here.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    callbacks: list[Callback] = [CheckpointEachEpoch(checkpoint, training)]
    terminal = sys.stderr.isatty()
    if terminal:
        # Each refresh waits for the GPU.
        rate = CHECK_EVERY if torch.cuda.is_available() else 1
        callbacks.append(TQDMProgressBar(refresh_rate=rate, leave=False))
    trainer = lightning.Trainer(
        max_epochs=settings.epochs,
        accelerator="auto",
        devices=settings.devices,
        num_nodes=settings.nodes,
        strategy=strategy(settings),
        # ShardSampler distributes the batches.
        use_distributed_sampler=False,
        accumulate_grad_batches=settings.accumulate_grad_batches,
        precision="bf16-mixed" if precision == "bf16" else "32-true",
        deterministic=True,
        num_sanity_val_steps=0,
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=terminal,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
    )
    try:
        trainer.fit(
            module,
            training,
            validation,
            ckpt_path=checkpoint if checkpoint.is_file() else None,
            weights_only=True,
        )
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise UserError(
            f"out of memory with recipes.{settings.recipe}.batch_size: {settings.batch_size} and "
            f"prepare.image_size: {module.info.size}: decrease one of them in params.yaml."
        ) from error
    # After SIGTERM, Lightning returns as if training were complete. The next run resumes from the
    # last complete epoch.
    if trainer.received_sigterm:
        sys.exit(128 + signal.SIGTERM)


def strategy(settings: Training) -> str | Strategy:
    """Choose a single process, or distributed data parallel training."""
    if settings.strategy == "auto" and settings.devices * settings.nodes == 1:
        return "auto"
    # A frozen backbone has no gradients. The search for such parameters costs a little.
    return DDPStrategy(find_unused_parameters=settings.freeze_epochs > 0)


def check_devices(settings: Training) -> None:
    """Check that the machine has the GPUs that the settings ask for.

    Raises:
        UserError: if it has fewer.
    """
    if torch.cuda.is_available() and settings.devices > torch.cuda.device_count():
        raise UserError(
            f"params.yaml: train.devices: {settings.devices}, but this machine has "
            f"{torch.cuda.device_count()} GPU(s)."
        )


def silence_other_ranks() -> int:
    """Let only the first of the processes that train together print.

    Returns:
        this process's rank, from 0, as set by the launcher (SLURM, torchrun, Lightning).
    """
    rank: int = getattr(rank_zero_only, "rank", 0)
    if rank:
        # print does nothing then.
        sys.stdout = None
    return rank


def synchronize_batchnorm(model: nn.Module, settings: Training, device: torch.device) -> nn.Module:
    """Compute batch-norm statistics over all GPUs that share a batch.

    torch supports this on GPUs only. On CPUs, each process normalizes by its own images.
    """
    if device.type == "cuda" and settings.devices * settings.nodes > 1:
        return convert_sync_batchnorm(model)
    return model


def silence_lightning() -> None:
    """Hide Lightning's advice, but not its warnings about real problems."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*number of training batches.*",
        ".*LeafSpec.*",
        # From torchmetrics, about a class without images. It is excluded from the mean.
        ".*No positive samples.*",
        # The moving average of the weights is not trained.
        ".*module.s. in eval mode.*",
    ):
        warnings.filterwarnings("ignore", message)


def out_of_memory(error: Exception) -> bool:
    """Whether the GPU or the machine ran out of memory."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        "can't allocate memory" in str(error)
    )


def choose_precision(setting: str, portable: bool, model: nn.Module, device: torch.device) -> str:
    """Choose bf16 where it is faster and allowed, else fp32.

    On a GPU, bf16 is used if the hardware supports it. On a CPU, it needs AMX or AVX512_BF16 and
    speeds up dense convolutions only: depthwise ones were a quarter slower in measurements.

    Args:
        setting: auto, fp32 or bf16.
        portable: whether results must be the same on every CPU; ignored on a GPU.

    Returns:
        fp32 or bf16.

    Raises:
        UserError: if bf16 is asked for in a portable run, since its sums differ between CPUs.
    """
    portable = portable and device.type == "cpu"
    if portable and setting == "bf16":
        raise UserError(
            "params.yaml: train.precision: bf16 differs between CPUs: set cpu.portable to false, "
            "or train.precision to auto or fp32."
        )
    if setting != "auto":
        return setting
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if portable:
        return "fp32"
    features = torch.cpu.get_capabilities()
    native = features.get("amx_bf16", False) or features.get("avx512_bf16", False)
    return "bf16" if native and not has_depthwise_convolutions(model) else "fp32"


def has_depthwise_convolutions(model: nn.Module) -> bool:
    """Whether a network has depthwise convolutions."""
    return any(
        isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1
        for module in model.modules()
    )
