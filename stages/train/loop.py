"""Lightning's Trainer, set up so that a run repeats to the bit and writes nothing by itself."""

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
from cxr.pipeline.params import Train
from stages.train.data import Loader
from stages.train.module import TrainingModule
from stages.train.resume import KeepState, WholeFile


def fit(
    module: TrainingModule, training: Loader, validation: Loader, precision: str, state: Path
) -> None:
    """Train for the epochs of the settings; the result is `module.best_state`.

    Args:
        precision: fp32 or bf16, see `choose_precision`.
        state: written after each epoch; if it is there, training goes on from it.

    Raises:
        UserError: if the loss diverges or memory is too small.
    """
    settings = module.settings
    check_devices(settings)
    quiet()
    # For finding mistakes only: what is read is written first. It costs 7 % of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    callbacks: list[Callback] = [KeepState(state, training)]
    terminal = sys.stderr.isatty()
    if terminal:
        callbacks.append(TQDMProgressBar(leave=False))
    trainer = lightning.Trainer(
        max_epochs=settings.epochs,
        accelerator="auto",
        devices=settings.devices,
        num_nodes=settings.nodes,
        strategy=strategy(settings),
        # The samplers deal the batches out.
        use_distributed_sampler=False,
        accumulate_grad_batches=settings.accumulate,
        precision="bf16-mixed" if precision == "bf16" else "32-true",
        deterministic=True,
        num_sanity_val_steps=0,
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=terminal,
        callbacks=callbacks,
        plugins=[WholeFile()],
    )
    try:
        trainer.fit(
            module,
            training,
            validation,
            ckpt_path=state if state.is_file() else None,
            weights_only=True,
        )
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise UserError(
            f"out of memory with train.batch_size: {settings.batch_size} and "
            f"prepare.image_size: {module.info.size}: lower one of them in params.yaml."
        ) from error
    # Lightning returns as if all were done; the next run goes on from the last whole epoch.
    if trainer.received_sigterm:
        sys.exit(128 + signal.SIGTERM)


def strategy(settings: Train) -> str | Strategy:
    """One process alone, or several with a copy of the network each, their gradients averaged."""
    if settings.strategy == "auto" and settings.devices * settings.nodes == 1:
        return "auto"
    # The backbone has no gradients while it is frozen; looking for such weights costs a little.
    return DDPStrategy(find_unused_parameters=settings.freeze_epochs > 0)


def check_devices(settings: Train) -> None:
    """Refuse more GPUs than there are.

    Raises:
        UserError: which says how many there are.
    """
    if torch.cuda.is_available() and settings.devices > torch.cuda.device_count():
        raise UserError(
            f"params.yaml: train.devices: {settings.devices}, but this machine has "
            f"{torch.cuda.device_count()} GPU(s)."
        )


def one_voice() -> int:
    """Let only the first of the processes that train together print.

    Returns:
        this process's number, from 0, as the launcher (SLURM, torchrun, Lightning) told it.
    """
    number: int = getattr(rank_zero_only, "rank", 0)
    if number:
        # print then does nothing
        sys.stdout = None
    return number


def synchronised(model: nn.Module, settings: Train, device: torch.device) -> nn.Module:
    """Let batch normalisation see the whole batch where several GPUs share it.

    torch has it for GPUs only. On CPUs, each process normalises by its own images.
    """
    if device.type == "cuda" and settings.devices * settings.nodes > 1:
        return convert_sync_batchnorm(model)
    return model


def quiet() -> None:
    """Leave out Lightning's advice; its warnings about real trouble stay."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*number of training batches.*",
        ".*LeafSpec.*",
        # torchmetrics', about a class without images: it is left out of the mean.
        ".*No positive samples.*",
        # The copy that averages the weights is not in training.
        ".*module.s. in eval mode.*",
    ):
        warnings.filterwarnings("ignore", message)


def out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, of the GPU or of the machine."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        "can't allocate memory" in str(error)
    )


def choose_precision(setting: str, portable: bool, model: nn.Module, device: torch.device) -> str:
    """Choose bf16 where it is faster and allowed, else fp32.

    A GPU knows whether it has bf16. On a CPU it takes AMX or AVX512_BF16, and pays for dense
    convolutions only: depthwise ones were measured to be slower by a quarter.

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
    return "bf16" if native and not depthwise(model) else "fp32"


def depthwise(model: nn.Module) -> bool:
    """Whether a network has depthwise convolutions."""
    return any(
        isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1
        for module in model.modules()
    )
