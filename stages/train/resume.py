"""Going on where a run was killed: its state after each epoch, under a name that says whose."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Checkpoint

import stages
from stages.train.data import Loader

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
    code = sorted(Path(stages.__file__).parent.rglob("*.py"))
    identity = {
        "settings": settings,
        "files": [sha256(path) for path in [*inputs, *code]],
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return folder / f"{model}-{key[:20]}.ckpt"


def sha256(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class KeepState(Checkpoint):
    """Writes Lightning's checkpoint after each epoch: the new one whole, or still the last one.

    Lightning's ModelCheckpoint writes to the final name, and a kill at that moment leaves half
    a file.

    Args:
        batches: of training.
    """

    def __init__(self, path: Path, batches: Loader) -> None:
        self.path = path
        self.batches = batches

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        part = self.path.with_suffix(".part")
        trainer.save_checkpoint(part)
        if trainer.is_global_zero:
            part.replace(self.path)

    def on_load_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        # Lightning calls it too, but after the workers have asked for their first batches.
        self.batches.sampler.set_epoch(checkpoint["epoch"] + 1)  # type: ignore[attr-defined]
