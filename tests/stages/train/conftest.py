import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from cxr.models.info import ModelInfo
from stages.train.__main__ import main
from stages.train.module import TrainingModule
from tests.helpers.builders import prepared
from tests.helpers.training import Killed, Train, arguments

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
def interrupted(train: Train, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Run the stage and break it off in the given epoch and step, both counted from 0."""

    def run(out: str, epoch: int, step: int, **changes: object) -> None:
        original = TrainingModule.training_step

        def training_step(self, batch, index):
            if (self.current_epoch, index) == (epoch, step):
                raise Killed
            return original(self, batch, index)

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(TrainingModule, "training_step", training_step)
            train(out, **changes)

    return run


@pytest.fixture
def info() -> ModelInfo:
    return ModelInfo("resnet18", "resnet18", ["a", "b", "c"], 32, 0.5, 0.25)
