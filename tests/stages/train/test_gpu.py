"""What only a GPU can show. On a machine with one: `pytest tests/stages/train/test_gpu.py`."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from cxr.models.classifier import Classifier
from cxr.models.info import MODEL_FILE
from cxr.models.networks import build_network
from cxr.pipeline.params import load
from stages.train.cuda_graph import capture
from stages.train.optimizer import build_optimizer
from tests.helpers.training import PARAMS, contents, curve

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


@pytest.fixture(autouse=True)
def no_reservation(monkeypatch):
    """A run keeps its GPU until its process ends, so a second one in this process would wait."""
    monkeypatch.setattr("stages.train.__main__.reserve_gpus", lambda *_: None)


EVERYTHING = {
    "optimizer": "adamw",
    "layer_decay": 0.8,
    "gradient_clip": 1.0,
    "mixup_alpha": 0.2,
    "ema_decay": 0.9,
    "batch_size": 6,
    "epochs": 3,
}


@pytest.mark.parametrize("model", ["resnet18", "mobilenetv2", "densenet121", "efficientnet_b0"])
@pytest.mark.parametrize("settings", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_the_same_bytes_again_with_any_number_of_workers(train, model, settings):
    first = contents(train("first", model=model, **settings))
    assert contents(train("again", model=model, workers=0, **settings)) == first


FROZEN = {"freeze_epochs": 1, "epochs": 3}


@pytest.mark.parametrize("model", ["resnet18", "mobilenetv2", "simple_cnn"])
@pytest.mark.parametrize("settings", [EVERYTHING, FROZEN], ids=["everything", "frozen"])
def test_cuda_graphs_change_no_byte(train, monkeypatch, model, settings):
    recorded = []
    monkeypatch.setattr(
        "stages.train.module.capture",
        lambda *a, **k: recorded.append(capture(*a, **k)) or recorded[0],
    )
    with_graphs = contents(train("graphs", model=model, **settings))
    assert callable(recorded[0])
    monkeypatch.setattr("stages.train.module.capture", lambda *_, **__: None)
    assert contents(train("none", model=model, **settings)) == with_graphs


def test_gradients_of_several_batches_are_added(train, monkeypatch):
    settings = {"model": "resnet18", "batch_size": 4, "accumulate_grad_batches": 3}
    on_gpu = contents(train("gpu", **settings))
    monkeypatch.setattr("stages.train.module.capture", lambda *_, **__: None)
    assert contents(train("none", **settings)) == on_gpu


def test_the_whole_state_is_kept(train, interrupted):
    settings = {"model": "mobilenetv2", **EVERYTHING, **FROZEN}
    expected = contents(train("whole", **settings))
    interrupted("first", epoch=1, step=1, **settings)
    interrupted("second", epoch=2, step=0, **settings)
    assert contents(train("third", **settings)) == expected


class ReadsValues(nn.Module):
    """A network that cannot be recorded."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 2)
        )

    def forward(self, images):
        return self.layers(images) * (2 if images.sum().item() > 0 else 1)


def test_a_network_that_cannot_be_recorded_trains_without_a_graph(capsys):
    network = ReadsValues().cuda()
    images = torch.ones(4, 1, 8, 8, device="cuda")
    assert capture(network, images, bf16=True) is None
    assert "training without a CUDA graph" in capsys.readouterr().out
    assert network.layers[0].num_batches_tracked == 0
    network(images).sum().backward()
    assert torch.isfinite(network.layers[3].weight.grad).all()
    # What can be recorded still is.
    assert capture(network.layers, images, bf16=False)(images).shape == (4, 2)


def test_predicts_as_the_cpu_does(train, small, monkeypatch):
    classifier = Classifier.load(train(model="resnet18") / "model")
    pixels = np.load(small / "pixels.npy")
    on_gpu = classifier.logits(pixels)
    monkeypatch.setattr("cxr.models.classifier.default_device", lambda: torch.device("cpu"))
    assert np.allclose(on_gpu, classifier.logits(pixels), atol=1e-3)


def test_learns_as_on_the_cpu(train, monkeypatch):
    # Without dropout, whose numbers are others on a GPU.
    settings = {"model": "resnet18", "precision": "fp32", "epochs": 2}
    on_gpu = train("gpu", **settings)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    on_cpu = train("cpu", **settings)
    assert curve(on_gpu, "train/loss") == pytest.approx(curve(on_cpu, "train/loss"), abs=0.05)
    names = load_file(on_gpu / "model" / MODEL_FILE).keys()
    assert names == load_file(on_cpu / "model" / MODEL_FILE).keys()


@pytest.mark.parametrize("name", ["lamb", "adamw", "adam", "sgd"])
def test_optimizers_take_the_steps_that_they_take_on_the_cpu(name):
    settings = load(PARAMS).training().model_copy(update={"optimizer": name, "layer_decay": 0.8})
    networks = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        network = build_network("resnet18", 2).to(memory_format=torch.channels_last).to(device)
        optimizer = build_optimizer(network, settings)
        for step in range(3):
            torch.manual_seed(step)
            for parameter in network.parameters():
                values = torch.randn(parameter.shape)
                # In the layout of the weights, which fused optimizers ask for.
                parameter.grad = torch.empty_like(parameter).copy_(values)
            optimizer.step()
        networks.append({key: t.cpu() for key, t in network.state_dict().items()})
    for key, tensor in networks[0].items():
        assert torch.allclose(networks[1][key], tensor, rtol=1e-4, atol=1e-5), key
