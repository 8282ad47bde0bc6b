import pytest
import torch
from safetensors.torch import load_file
from timm.layers.norm_act import SyncBatchNormAct

from cxr.models.info import MODEL_FILE
from cxr.models.networks import build_network
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import load
from stages.train.trainer import check_devices, synchronize_batchnorm
from tests.helpers.training import BATCH_FREE, CURVES, PARAMS, arguments, curve, start


def test_two_processes_agree_with_one(train, small, tmp_path):
    settings = {
        "batch_size": 10,
        "epochs": 3,
        "freeze_epochs": 1,
        # Adam divides by the size of the gradient, noise included, where that is next to zero.
        "optimizer": "sgd",
        "model": "batch_free",
        "lr": 0.005,
        "architecture": BATCH_FREE,
        "head": "pooled",
    }
    single = train("single", **settings)
    two = tmp_path / "two"
    process = start(arguments(two, small, devices=2, **settings))
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    assert output.count("epoch 3/3") == 1
    written = {"params.yaml", "model", "epochs.csv", "augmented"}
    assert {path.name for path in two.iterdir()} == written
    expected, weights = (load_file(folder / "model" / MODEL_FILE) for folder in (single, two))
    for name, tensor in expected.items():
        assert (weights[name] - tensor).abs().max() < 1e-5, name
    for name in CURVES:
        name = name.removesuffix(".tsv")
        assert curve(two, name) == pytest.approx(curve(single, name), abs=1e-4)


def test_batch_normalization_is_synchronized_on_gpus_only():
    settings = load(PARAMS).training().model_copy(update={"devices": 2})
    model = build_network("efficientnet_b0", 3)
    names = list(model.state_dict())
    assert synchronize_batchnorm(model, settings, torch.device("cpu")) is model
    changed = synchronize_batchnorm(model, settings, torch.device("cuda"))
    assert list(changed.state_dict()) == names
    # The activation is part of timm's layer: torch's own conversion would leave it out.
    assert isinstance(changed.bn1, SyncBatchNormAct)


def test_more_gpus_than_there_are_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    check_devices(load(PARAMS).training())
    with pytest.raises(UserError, match=r"train\.devices: 2, but this machine has 1 GPU"):
        check_devices(load(PARAMS).training().model_copy(update={"devices": 2}))
