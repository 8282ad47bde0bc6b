import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from cxr.models.info import ModelInfo
from stages.train.__main__ import main
from tests.helpers.builders import prepared
from tests.helpers.training import Train, arguments

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 training, 12 validation and 12 test images of 32 x 32."""
    return prepared(tmp_path_factory.mktemp("small"))


@pytest.fixture
def train(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Run the stage with settings changed; gives the folder with `model` and `plots`."""

    def run(out: str = "out", inputs: Path = small, **changes: Any) -> Path:
        folder = tmp_path / out
        monkeypatch.setattr(sys, "argv", ["train", *arguments(folder, inputs, **changes)])
        main()
        return folder

    return run


@pytest.fixture
def info() -> ModelInfo:
    return ModelInfo("resnet18", "resnet18", ["a", "b", "c"], 32, 0.5, 0.25)
