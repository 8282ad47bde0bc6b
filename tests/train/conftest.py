import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

from stages import models
from stages.train.__main__ import main
from tests.builders import prepared

torch.set_num_threads(1)

PARAMS = Path("params.yaml").resolve()


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 training, 12 validation and 12 test images of 32 x 32."""
    return prepared(tmp_path_factory.mktemp("small"))


Train = Callable[..., Path]


def arguments(
    folder: Path,
    inputs: Path,
    model: str = "simple_cnn",
    architecture: dict[str, Any] | None = None,
    **settings: Any,
) -> list[str]:
    """Write a params.yaml into a new folder; the stage's options for output beside it."""
    folder.mkdir()
    content = YAML(typ="safe").load(PARAMS)
    content["model"] = model
    content["train"].update({"epochs": 2, "batch_size": 16, **settings})
    content["architectures"].setdefault(model, {}).update(architecture or {})
    YAML().dump(content, folder / "params.yaml")
    places = {
        "params": folder / "params.yaml",
        "pixels": inputs / "pixels.npy",
        "split": inputs / "split.csv",
        "model": folder / "model",
        "plots": folder / "plots",
        "state": folder.parent / "state",
    }
    return [text for name, path in places.items() for text in (f"--{name}", str(path))]


@pytest.fixture
def train(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Run the stage with settings changed; gives the folder with `model` and `plots`.

    Without the pictures unless asked for: they take longer than such a small training.
    """

    def run(out: str = "out", inputs: Path = small, pictures: bool = False, **changes: Any) -> Path:
        folder = tmp_path / out
        monkeypatch.setattr(sys, "argv", ["train", *arguments(folder, inputs, **changes)])
        with monkeypatch.context() as patch:
            if not pictures:
                for name in ("draw_curves", "draw_augmented"):
                    patch.setattr(f"stages.train.__main__.{name}", lambda *_: None)
            main()
        return folder

    return run


def start(words: list[str], **environment: str) -> subprocess.Popen[str]:
    """Start the stage as a process of its own, on one thread."""
    return subprocess.Popen(
        [sys.executable, "-m", "stages.train", *words],
        cwd=PARAMS.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """All that a run wrote."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for name in ("model", "plots")
        for path in sorted((folder / name).rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def card() -> models.Card:
    return models.Card("resnet18", "resnet18", ["a", "b", "c"], 32, 0.5, 0.25)
