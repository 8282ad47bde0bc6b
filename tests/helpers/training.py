"""Run the train stage on small inputs, and read its outputs."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from cxr.pipeline.params import load

PARAMS = Path("params.yaml").resolve()
# The default recipe changes images too little for tests of augmentation.
AUGMENT = load(PARAMS).training().augment.model_copy(update={"rotate": 10.0, "brightness": 0.15})


Train = Callable[..., Path]


class Killed(BaseException):
    """What nothing in the code under test catches."""


# A network without batch normalization, which makes results depend on the other images of a batch.
BATCH_FREE = {"timm": "test_convnext", "drop_rate": 0.0}


OFF = {
    "rotate": 0.0,
    "zoom": 0.0,
    "shift": 0.0,
    "horizontal_flip": 0.0,
    "vertical_flip": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "gamma": 0.0,
    "clahe": 0.0,
    "noise": 0.0,
    "erase": 0.0,
}


CURVES = [
    f"{side}/{name}"
    for side in ("train", "val")
    for name in ("accuracy", "auroc", "balanced_accuracy", "loss")
]


def arguments(
    folder: Path,
    inputs: Path,
    model: str = "simple_cnn",
    architecture: dict[str, Any] | None = None,
    **settings: Any,
) -> list[str]:
    """Write a params.yaml into a new folder; return the stage's options, with outputs there.

    Args:
        settings: of `train` or of the recipe.
    """
    folder.mkdir()
    content = YAML(typ="safe").load(PARAMS)
    content["model"] = model
    # The process of the tests is already configured with one thread, like that of `start`.
    content["cpu"]["portable"] = False
    recipe = content["recipes"][content["recipe"]]
    for key, value in {"epochs": 2, "batch_size": 16, **settings}.items():
        (content["train"] if key in content["train"] else recipe)[key] = value
    content["architectures"].setdefault(model, {}).update(architecture or {})
    YAML().dump(content, folder / "params.yaml")
    places = {
        "params": folder / "params.yaml",
        "pixels": inputs / "pixels.npy",
        "split": inputs / "split.csv",
        "model": folder / "model",
        "curves": folder / "epochs.csv",
        "augmented": folder / "augmented",
        "checkpoints": folder.parent / "checkpoints",
    }
    return [text for name, path in places.items() for text in (f"--{name}", str(path))]


def start(words: list[str], **environment: str) -> subprocess.Popen[str]:
    """Start the stage in a separate process, with one thread."""
    return subprocess.Popen(
        [sys.executable, "-m", "stages.train", *words],
        cwd=PARAMS.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """All outputs of a run."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "params.yaml"
    }


def curve(folder: Path, name: str) -> list[float]:
    """The values of a metric, such as val/loss, by epoch."""
    return list(pd.read_csv(folder / "epochs.csv")[name.replace("/", "_")])
