"""Initial weights that timm or the Hugging Face hub provides, here from their caches."""

import json
from pathlib import Path

import huggingface_hub.constants
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from cxr.models.classifier import Classifier
from cxr.models.info import ModelInfo
from cxr.pipeline.errors import UserError
from stages.train.weights import load_initial_weights
from tests.helpers.statistics import random_statistics

torch.set_num_threads(1)


def classifier(name: str) -> Classifier:
    return Classifier.build(ModelInfo(name, name, ["a", "b", "c"], 64, 0.4, 0.2))


def test_a_network_without_imagenet_weights_is_named():
    with pytest.raises(UserError, match="no ImageNet weights for simple_cnn"):
        load_initial_weights(classifier("simple_cnn"), "imagenet")


def cache(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "timm--mobilenetv2_100.ra_in1k"
) -> Path:
    """Let timm find its weights in a folder, and no network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    repository = folder / f"models--{name}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text("1")
    (repository / "snapshots/1").mkdir(parents=True)
    return repository / "snapshots/1/model.safetensors"


def test_imagenet_weights_come_from_timms_cache(tmp_path, monkeypatch):
    state = random_statistics(timm.create_model("mobilenetv2_100")).state_dict()
    save_file(state, cache(tmp_path, monkeypatch))
    ours = classifier("mobilenetv2_100")
    load_initial_weights(ours, "imagenet")
    assert torch.equal(ours.network.conv_head.weight, state["conv_head.weight"])
    assert ours.info.weights == "imagenet ra_in1k"
    assert ours.info.mean == pytest.approx(0.449)


def test_without_a_network_one_line_says_where_the_weights_go(tmp_path, monkeypatch):
    cache(tmp_path, monkeypatch)
    with pytest.raises(
        UserError, match=r"timm/mobilenetv2_100\.ra_in1k.*set weights to its path"
    ) as error:
        load_initial_weights(classifier("mobilenetv2_100"), "imagenet")
    assert "\n" not in str(error.value)


def test_an_unreachable_hub_is_asked_once(tmp_path, monkeypatch):
    cache(tmp_path, monkeypatch)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    asked = []

    class Session:
        def head(self, url, timeout):
            asked.append(url)
            raise ConnectionError

    monkeypatch.setattr(huggingface_hub, "get_session", Session)
    with pytest.raises(UserError, match="cannot be downloaded"):
        load_initial_weights(classifier("mobilenetv2_100"), "imagenet")
    assert asked == [huggingface_hub.constants.ENDPOINT]


def hub(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, **config) -> None:
    """A repository me/xrays in the hub client's cache, with weights and how they see an image."""
    snapshot = cache(folder, monkeypatch, "me--xrays").parent
    save_file(
        random_statistics(timm.create_model(name, **config)).state_dict(),
        snapshot / "model.safetensors",
    )
    channels = config.get("in_chans", 3)
    described = {
        "mean": [0.3] * channels,
        "std": [0.2] * channels,
        "input_size": [channels, 64, 64],
    }
    (snapshot / "config.json").write_text(
        json.dumps({"architecture": name, "num_classes": 1000, "pretrained_cfg": described})
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_weights_of_the_hub_bring_their_normalization(tmp_path, monkeypatch, channels):
    hub(tmp_path, monkeypatch, "resnet18", in_chans=channels)
    ours = classifier("resnet18")
    load_initial_weights(ours, "hf-hub:me/xrays")
    assert (ours.info.mean, ours.info.std) == pytest.approx((0.3, 0.2))
    assert ours.info.weights == "hf-hub:me/xrays"
    snapshot = next(tmp_path.rglob("model.safetensors"))
    state = load_file(snapshot)
    assert torch.equal(ours.network.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])
    with pytest.raises(UserError, match=r"hf-hub:me/xrays matches .* of densenet121"):
        load_initial_weights(classifier("densenet121"), "hf-hub:me/xrays")


def test_a_hub_without_the_weights_or_without_a_network_is_one_line(tmp_path, monkeypatch):
    cache(tmp_path, monkeypatch)
    with pytest.raises(UserError, match=r"hf-hub:me/nothing cannot be loaded.*check the name") as e:
        load_initial_weights(classifier("resnet18"), "hf-hub:me/nothing")
    assert "\n" not in str(e.value)
