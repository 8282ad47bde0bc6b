"""Checkpoints after each epoch, from which an interrupted run resumes."""

from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from cxr.pipeline.files import atomic_write
from cxr.pipeline.fingerprint import fingerprint
from stages.train.data import Loader

CODE = ("stages/train", "cxr/pipeline", "cxr/models")
"""The code that training depends on, as in dvc.yaml."""
LIBRARIES = ("torch", "lightning", "timm", "albumentations", "opencv-python-headless", "numpy")


def checkpoint_path(folder: Path, model: str, inputs: list[Path], settings: dict[str, Any]) -> Path:
    """Return the path of the checkpoint for a training run.

    The file name contains a hash of everything that the result depends on (input files, settings,
    this project's code, library versions). So a run never resumes from the checkpoint of a
    different one. The processor is not part of the hash: a run that resumes on another kind of
    processor can differ in the last bits.

    Args:
        folder: must not be an output of the stage, since DVC removes these before it runs.
        inputs: files, identified by content.
        settings: JSON-serializable values.
    """
    key = fingerprint(CODE, LIBRARIES, settings, inputs)
    return folder / f"{model}-{key}.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint completely, or leaves the last one unchanged.

    Lightning's own uses memory and a temporary folder that may be on another disk. If it is
    killed, half a file can remain, and it takes three times as long.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write to a temporary name, then rename. Lightning calls this in one process."""
        with atomic_write(Path(path)) as part:
            torch.save(checkpoint, part)


class CheckpointEachEpoch(Checkpoint):
    """Saves a checkpoint after each epoch.

    Args:
        path: overwritten each time.
        training: the loader of the training images.
    """

    def __init__(self, path: Path, training: Loader) -> None:
        self.path = path
        self.training = training

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        trainer.save_checkpoint(self.path)

    def on_load_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        # Lightning also calls set_epoch, but after the workers have requested their first batches.
        self.training.sampler.set_epoch(checkpoint["epoch"] + 1)  # type: ignore[attr-defined]
