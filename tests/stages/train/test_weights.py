import hashlib
import json
import os
import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from cxr.models.classifier import Classifier
from cxr.models.info import MODEL_FILE, ModelInfo
from cxr.models.networks import build_network
from cxr.pipeline.errors import UserError
from stages.train.convert_weights import rgb_to_grey
from stages.train.pretrained import read_weights
from stages.train.weights import load_initial_weights
from tests.helpers.statistics import random_statistics

torch.set_num_threads(1)

MOBILENET = Path("../shared/weights/mobilenetv2_100.imagenet.safetensors").resolve()


def classifier(name: str, class_names: tuple[str, ...] = ("a", "b", "c")) -> Classifier:
    return Classifier.build(ModelInfo(name, name, list(class_names), 64, 0.4, 0.2))


def grey_images(size: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, size, size), dtype=np.uint8)


def as_rgb(pixels: np.ndarray) -> torch.Tensor:
    """Turn grey images into the input of an ImageNet network."""
    mean = torch.tensor(timm.data.IMAGENET_DEFAULT_MEAN).view(3, 1, 1)
    std = torch.tensor(timm.data.IMAGENET_DEFAULT_STD).view(3, 1, 1)
    return (torch.from_numpy(pixels).unsqueeze(1).expand(-1, 3, -1, -1) / 255 - mean) / std


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("resnet18", "resnet18"),
        ("densenet121", "densenet121"),
        ("mobilenetv2_100", "mobilenet_v2"),
        ("mobilenetv3_large_100", "mobilenet_v3_large"),
        ("efficientnet_b0", "efficientnet_b0"),
    ],
)
@torch.inference_mode()
def test_a_file_of_torchvisions_computes_the_same_on_one_grey_channel(tmp_path, name, theirs):
    torch.manual_seed(0)
    reference = random_statistics(torchvision.models.get_model(theirs, num_classes=3))
    for module in reference.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 1e-5  # torchvision's MobileNetV3 has 1e-3, timm's the usual
    torch.save(reference.state_dict(), tmp_path / "file.pth")
    ours = classifier(name)
    load_initial_weights(ours, str(tmp_path / "file.pth"))
    pixels = grey_images()
    expected = reference(as_rgb(pixels))
    logits = ours.network.eval()(ours.to_input(pixels))
    # Not the same to the bit: the padding around an image is of another grey.
    assert (logits - expected).abs().max() < 0.02 * (expected.max() - expected.min())
    assert (ours.info.mean, ours.info.std) == pytest.approx((0.449, 0.226))


@pytest.mark.parametrize("bias", [False, True])
@torch.inference_mode()
def test_a_grey_stem_is_exact_inside_the_image(bias):
    model = timm.create_model("resnet18", in_chans=1)
    rgb = torch.nn.Conv2d(3, 64, 7, stride=2, bias=bias)
    model.conv1 = torch.nn.Conv2d(1, 64, 7, stride=2, bias=bias)
    norm = random_statistics(torch.nn.Sequential(torch.nn.BatchNorm2d(64)))[0]
    state = {f"conv1.{name}": tensor for name, tensor in rgb.state_dict().items()}
    state |= {f"bn1.{name}": tensor for name, tensor in norm.state_dict().items()}
    grey, mean, std = rgb_to_grey(state, model)
    model.load_state_dict(grey, strict=False)
    pixels = grey_images()
    inputs = ModelInfo("", "", [], 64, mean, std).normalize(torch.from_numpy(pixels))
    normalized = model.eval().bn1(model.conv1(inputs))
    assert torch.allclose(normalized, norm(rgb(as_rgb(pixels))), atol=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        *("resnet18", "resnet50", "densenet121", "efficientnetv2_rw_t", "efficientnet_b0"),
        *("mobilenetv2_100", "mobilenetv3_large_100"),
    ],
)
@torch.inference_mode()
def test_a_grey_stem_gives_the_norm_behind_it_what_rgb_gave(name):
    torch.manual_seed(0)
    rgb = random_statistics(timm.create_model(name, num_classes=3))
    model = build_network(name, 3)
    state, mean, std = rgb_to_grey(rgb.state_dict(), model)
    model.load_state_dict(state)
    pixels = grey_images()
    inputs = ModelInfo("", "", [], 64, mean, std).normalize(torch.from_numpy(pixels))
    behind = next(
        name for name, module in model.named_modules() if isinstance(module, torch.nn.BatchNorm2d)
    )
    ours = output(model.eval(), behind, inputs)
    expected = output(rgb, behind, as_rgb(pixels))
    inside = (..., slice(4, -4), slice(4, -4))
    assert torch.allclose(ours[inside], expected[inside], atol=1e-4)


def output(model: torch.nn.Module, name: str, inputs: torch.Tensor) -> torch.Tensor:
    """Return the output of a module of a network."""
    outputs = []
    with model.get_submodule(name).register_forward_hook(lambda *all: outputs.append(all[-1])):
        model(inputs)
    return outputs[0]


def test_a_model_of_this_project_keeps_its_last_layer(tmp_path, capsys):
    first, second = classifier("resnet18"), classifier("resnet18")
    first.save(tmp_path)
    second.info = replace(second.info, size=32, mean=0.1, std=0.1)
    load_initial_weights(second, str(tmp_path / MODEL_FILE))
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(second.network.state_dict()[name], tensor)
    digest = hashlib.sha256((tmp_path / MODEL_FILE).read_bytes()).hexdigest()
    assert second.info.weights == f"model.safetensors sha256:{digest}"
    assert (second.info.mean, second.info.std, second.info.size) == (0.4, 0.2, 32)
    assert "initialized randomly: none; not used: none" in capsys.readouterr().out


def test_the_last_layer_of_a_model_with_other_classes_is_not_loaded(tmp_path, capsys):
    classifier("resnet18").save(tmp_path)
    other = classifier("resnet18", ("x", "y", "z"))
    before = other.network.fc.weight.clone()
    load_initial_weights(other, str(tmp_path / MODEL_FILE))
    assert torch.equal(other.network.fc.weight, before)
    assert "initialized randomly: fc.weight, fc.bias" in capsys.readouterr().out


@pytest.mark.parametrize("wrap", ["state_dict", "model", None])
@pytest.mark.parametrize("prefix", ["module.", ""])
def test_what_training_scripts_wrap_around_a_state_dict_is_taken_off(tmp_path, wrap, prefix):
    torch.manual_seed(0)
    state = timm.create_model("simple_cnn", in_chans=1, num_classes=3).state_dict()
    content = {prefix + name: tensor for name, tensor in state.items()}
    torch.save({wrap: content, "epoch": 3} if wrap else content, tmp_path / "file.pth")
    ours = classifier("simple_cnn")
    load_initial_weights(ours, str(tmp_path / "file.pth"))
    loaded = ours.network.state_dict()["features.0.0.weight"]
    assert torch.equal(loaded, state["features.0.0.weight"])
    # A grey network's file has no normalization: that of the training images stays.
    assert (ours.info.mean, ours.info.std) == (0.4, 0.2)


PREFIXED = ["model.", "net.", "_orig_mod.", "module.model.", "module.densenet121.", "backbone.m."]


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("prefix", PREFIXED)
def test_any_prefix_is_taken_off_and_what_lacks_it_is_not_used(tmp_path, prefix, suffix, capsys):
    state = timm.create_model("simple_cnn", in_chans=1, num_classes=3).state_dict()
    content = {prefix + name: tensor for name, tensor in state.items()}
    content["criterion.pos_weight"] = torch.ones(3)
    file = tmp_path / f"file{suffix}"
    if suffix == ".pth":
        torch.save({"net": content, "epoch": 3, "optimizer": {"lr": torch.ones(1)}}, file)
    else:
        save_file(content, file)
    ours = classifier("simple_cnn")
    load_initial_weights(ours, str(file))
    for name, tensor in ours.network.state_dict().items():
        assert torch.equal(tensor, state[name])
    assert "randomly: none; not used: criterion.pos_weight" in capsys.readouterr().out


@pytest.mark.parametrize("prefix", ["", "module.densenet121."])
def test_the_names_of_torchvisions_published_densenet_are_read(tmp_path, prefix, capsys):
    state = timm.create_model("densenet121", num_classes=3).state_dict()
    old = {
        prefix + re.sub(r"(denselayer\d+\.)(norm|conv)([12])", r"\1\2.\3", name): tensor
        for name, tensor in state.items()
    }
    assert f"{prefix}features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "file.pth")
    ours = classifier("densenet121")
    load_initial_weights(ours, str(tmp_path / "file.pth"))
    name = "features.denseblock4.denselayer16.conv2.weight"
    assert torch.equal(ours.network.state_dict()[name], state[name])
    assert "randomly: none; not used: none" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (
            "mobilenetv2_100",
            r"m\.safetensors matches 0 of the 102 tensors of resnet18.*lacks conv1.weight "
            r"\(64 x 1 x 7 x 7\), .*\. It has bn1",
        ),
        ("resnet34", r"or incomplete\. It has layer1\.2\.bn1\.bias \(64\)"),
        ("resnet50", r"matches \d+ of the 102 .* It lacks layer1\.0\.conv1\.weight \(64 x 64 x 3"),
    ],
)
def test_another_networks_file_is_refused(tmp_path, other, words):
    save_file(timm.create_model(other).state_dict(), tmp_path / "m.safetensors")
    with pytest.raises(UserError, match=words) as caught:
        load_initial_weights(classifier("resnet18"), str(tmp_path / "m.safetensors"))
    assert "\n" not in str(caught.value)


def test_a_file_that_lacks_a_tensor_is_called_incomplete(tmp_path):
    state = timm.create_model("resnet18", num_classes=3).state_dict()
    del state["bn1.running_mean"]
    save_file(state, tmp_path / "m.safetensors")
    with pytest.raises(UserError, match=r"or incomplete\. It lacks bn1\.running_mean \(64\)\.$"):
        load_initial_weights(classifier("resnet18"), str(tmp_path / "m.safetensors"))


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("bare", [False, True])
def test_a_hostile_pickle_is_refused_and_not_run(tmp_path, bare):
    trap = tmp_path / "sprung"
    content = {"weight": Hostile(trap)}
    if bare:
        (tmp_path / "file.pth").write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, tmp_path / "file.pth")
    with pytest.raises(UserError, match="contains no plain weights") as caught:
        load_initial_weights(classifier("simple_cnn"), str(tmp_path / "file.pth"))
    assert str(caught.value).isprintable()
    assert not trap.exists()


@pytest.mark.parametrize("name", ["file.safetensors", "file.pth"])
@pytest.mark.parametrize("content", [b"", b"no weights at all"])
def test_a_file_that_holds_no_weights_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="contains no plain weights") as caught:
        read_weights(tmp_path / name)
    assert ("(it is not a weights file)" in str(caught.value)) == name.endswith(".pth")


def test_a_missing_file_is_named():
    with pytest.raises(UserError, match=r"there is no file nowhere\.pth"):
        read_weights(Path("nowhere.pth"))


def described(folder: Path, channels: int, mean: str, std: str) -> str:
    """The path of a network's weights that say what they expect, unless it is empty."""
    torch.manual_seed(0)
    state = timm.create_model("simple_cnn", in_chans=channels, num_classes=3).state_dict()
    metadata = {key: text for key, text in (("mean", mean), ("std", std)) if text}
    save_file(state, folder / "own weights.safetensors", metadata=metadata)
    return str(folder / "own weights.safetensors")


@pytest.mark.parametrize(
    ("channels", "mean", "std"),
    [
        (1, "[0]", "[1]"),
        (3, "[0, 0, 0]", "[1, 1, 1]"),
        (3, "[0.5]", "[0.25]"),
        (3, "[0.4, 0.5, 0.6]", "[0.25]"),
    ],
)
def test_one_number_or_one_for_each_channel_is_a_normalization(tmp_path, channels, mean, std):
    ours = classifier("simple_cnn")
    load_initial_weights(ours, described(tmp_path, channels, mean, std))
    expected = [np.mean(json.loads(text)) for text in (mean, std)]
    assert [ours.info.mean, ours.info.std] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("channels", "mean", "std"),
    [
        *((1, "0.5", "abc"), (1, "[0.5]", ""), (1, "", "[0.5]"), (1, "[]", "[]")),
        *((1, "[127.5]", "[57.4]"), (1, "[NaN]", "[0.2]"), (1, "[0.5]", "[Infinity]")),
        *((3, "[0.5, 0.5, 0.5]", "[0.0, 0.0, 0.0]"), (3, "[0.5]", '["0.2"]')),
        *((3, "[0.5, 0.5]", "[0.2, 0.2]"), (1, "[0.5, 0.5, 0.5]", "[0.2, 0.2, 0.2]")),
    ],
)
def test_another_normalization_is_refused(tmp_path, channels, mean, std):
    path = described(tmp_path, channels, mean, std)
    with pytest.raises(UserError, match=r"such as \[0.5\] and \[0.25\]\.$") as caught:
        load_initial_weights(classifier("simple_cnn"), path)
    message = str(caught.value)
    assert f"weights.safetensors says in its metadata that its input has mean {mean!r}" in message
    assert f"and std {std!r}: give" in message
    assert "\n" not in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    state = timm.create_model("simple_cnn", in_chans=1, num_classes=3).state_dict()
    # What is not used does no harm: torchxrayvision's thresholds have NaN.
    state |= {"thresholds": torch.tensor([value])}
    torch.save(state, tmp_path / "file.pth")
    load_initial_weights(classifier("simple_cnn"), str(tmp_path / "file.pth"))
    state["features.0.0.weight"][0, 0, 0, 0] = value
    torch.save(state, tmp_path / "file.pth")
    with pytest.raises(UserError, match=r"file\.pth contains NaN or infinity in features\.0\.0\.w"):
        load_initial_weights(classifier("simple_cnn"), str(tmp_path / "file.pth"))


def test_an_rgb_stem_of_another_network_is_refused(tmp_path):
    """Whatever is wrong with what is converted to grey."""
    whole = timm.create_model("resnet18", num_classes=3).state_dict()
    smaller = {"conv1.weight": whole["conv1.weight"][:32], "bn1.running_mean": torch.zeros(64)}
    for change in (smaller, {"bn1.running_mean": torch.zeros(32)}):
        torch.save(whole | change, tmp_path / "file.pth")
        with pytest.raises(UserError, match=r"matches 101 of the 102 tensors of resnet18"):
            load_initial_weights(classifier("resnet18"), str(tmp_path / "file.pth"))


@torch.inference_mode()
def test_a_torchxrayvision_network_computes_the_same(tmp_path, capsys):
    """Its densenet121: one channel from -1024 to 1024, 18 outputs, and thresholds beside them."""
    torch.manual_seed(0)
    theirs = torchvision.models.densenet121(num_classes=18)
    theirs.features.conv0 = torch.nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    random_statistics(theirs)
    state = theirs.state_dict() | {"op_threshs": torch.rand(18)}
    metadata = {"mean": "[0.5]", "std": f"[{1 / 2048}]"}
    save_file(state, tmp_path / "xrv.safetensors", metadata=metadata)
    ours = classifier("densenet121")
    load_initial_weights(ours, str(tmp_path / "xrv.safetensors"))
    assert "not used: classifier.bias, classifier.weight, op_threshs" in capsys.readouterr().out
    pixels = grey_images()
    expected = theirs.features((torch.from_numpy(pixels)[:, None] / 255 * 2 - 1) * 1024).relu()
    features = ours.network.eval().forward_features(ours.to_input(pixels))
    assert torch.allclose(features, expected, rtol=1e-3, atol=1e-3 * expected.max().item())


@pytest.mark.skipif(not MOBILENET.exists(), reason=f"{MOBILENET.name} is not there")
def test_real_imagenet_weights(capsys):
    ours = classifier("mobilenetv2_100", ("a", "b", "c", "d"))
    load_initial_weights(ours, str(MOBILENET))
    left = "initialized randomly: classifier.weight, classifier.bias; not used: none"
    assert f"260 of 262 tensors; {left}" in capsys.readouterr().out
    assert ours.info.weights.startswith("mobilenetv2_100.imagenet.safetensors sha256:")
