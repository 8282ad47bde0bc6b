"""Going on where a run was killed: its state after each epoch, under a name that says whose."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from cxr.pipeline.files import atomic_write, sha256
from stages.train.data import Loader

CODE = ("stages/train", "cxr/pipeline", "cxr/models")
"""What training depends on in dvc.yaml."""
LIBRARIES = ("torch", "lightning", "timm", "albumentations", "opencv-python-headless", "numpy")


def state_file(folder: Path, model: str, inputs: list[Path], settings: dict[str, Any]) -> Path:
    """Where the state of this very training is kept between its epochs.

    The name depends on everything that the result depends on, so that a run never goes on from
    the state of another: the inputs, the settings, this project's code and the libraries. The
    processor is left out: on another kind, a run goes on, and its last bits differ.

    Args:
        folder: neither tracked nor removed by DVC, which removes a stage's outputs before it
            runs the stage.
        inputs: files, taken by their content.
        settings: plain values.
    """
    project = Path(__file__).resolve().parents[2]
    code = sorted(path for folder in CODE for path in (project / folder).rglob("*.py"))
    identity = {
        "settings": settings,
        "files": [sha256(path) for path in [*inputs, *code]],
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return folder / f"{model}-{key[:20]}.ckpt"


class WholeFile(TorchCheckpointIO):
    """Writes a checkpoint whole, or leaves the last one.

    Lightning's own goes through memory and a temporary folder that may be on another disk: a
    kill can leave half a file, and it takes three times as long.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write it under a temporary name, then rename it. Lightning calls this in one process."""
        with atomic_write(Path(path)) as part:
            torch.save(checkpoint, part)


class KeepState(Checkpoint):
    """Has the state written after each epoch.

    Args:
        batches: of training.
    """

    def __init__(self, path: Path, batches: Loader) -> None:
        self.path = path
        self.batches = batches

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
        # Lightning calls it too, but after the workers have asked for their first batches.
        self.batches.sampler.set_epoch(checkpoint["epoch"] + 1)  # type: ignore[attr-defined]
