"""When a step replays a CUDA graph. That graphs are right, only a GPU can show: test_gpu.py."""

from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import nn

from cxr.pipeline.params import load
from stages.train.history import History
from stages.train.module import TrainingModule
from tests.helpers.training import PARAMS


def settings(**changes):
    return load(PARAMS).training().model_copy(update=changes)


@pytest.mark.parametrize(
    ("images", "epoch", "replayed"), [(4, 1, True), (3, 1, False), (4, 0, False)]
)
def test_a_graph_is_for_whole_batches_and_a_trainable_backbone(
    info, monkeypatch, images, epoch, replayed
):
    chosen = settings(batch_size=4, freeze_epochs=1)
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    module = TrainingModule(network, info, chosen, torch.ones(3), History(16, chosen.monitor))
    monkeypatch.setattr(TrainingModule, "current_epoch", epoch)
    module.graph = lambda batch: torch.full((len(batch), 3), 7.0)
    logits = module.logits(torch.zeros(images, 1, 2, 2))
    assert (logits == 7).all() == replayed


@pytest.mark.parametrize(
    ("device", "strategy", "changes"),
    [
        ("cpu", SingleDeviceStrategy(), {}),
        ("cuda", DDPStrategy(), {}),
        ("cuda", SingleDeviceStrategy(), {"accumulate_grad_batches": 2}),
        ("cuda", SingleDeviceStrategy(), {"epochs": 2, "freeze_epochs": 2}),
    ],
)
def test_no_graph_is_recorded(monkeypatch, device, strategy, changes):
    monkeypatch.setattr("stages.train.module.capture", lambda *_, **__: pytest.fail("recorded"))
    module = SimpleNamespace(
        device=torch.device(device),
        trainer=SimpleNamespace(strategy=strategy),
        settings=settings(**changes),
    )
    assert TrainingModule.record_graph(module) is None
