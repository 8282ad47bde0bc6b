import re

import numpy as np
import pytest
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from cxr.heatmaps import explainer
from cxr.heatmaps.explainer import METHODS, Explainer, all_maps, feature_layer
from cxr.models import model as models
from cxr.pipeline.cli import UserError

LAYERS = {
    "resnet18": "layer4",
    "resnet50": "layer4",
    "densenet121": "features.norm5",
    "efficientnetv2_rw_t": "bn2",
    "efficientnet_b0": "bn2",
    "mobilenetv2_100": "bn2",
    "mobilenetv3_large_100": "blocks.6",
    "simple_cnn": "features",
}
SIZE = 64
ROWS = np.array([5, 0, 3, 1, 2])
CLASSES = np.array([0, 1, 2, 0, 1])


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def network(name, size=SIZE, seed=0):
    torch.manual_seed(seed)
    card = models.Card(name, name, ["a", "b", "c"], size, 0.5, 0.25)
    return models.build(name, 3).eval(), card


def images(size=SIZE):
    return np.random.default_rng(0).integers(0, 256, (6, size, size)).astype(np.uint8)


def ours(net, card, method="GradCAM", layer=""):
    return Explainer(net, card, method, layer)(images()[ROWS], CLASSES)


def on_the_whole_network(net, card, layer, method=GradCAM):
    cam = method(net, target_layers=[net.get_submodule(layer)])
    goals = [ClassifierOutputTarget(int(number)) for number in CLASSES]
    return cam(models.to_input(images()[ROWS], card, torch.device("cpu")), goals)


@pytest.mark.parametrize("name", LAYERS)
def test_maps_are_those_of_the_library_on_the_whole_network(name):
    # With this seed the small network's maps are not all empty.
    net, card = network(name, seed=3)
    assert feature_layer(net, card)[0] == LAYERS[name]
    maps = ours(net, card)
    assert maps.shape == (5, SIZE, SIZE)
    assert maps.dtype == np.float32
    assert np.isfinite(maps).all()
    assert maps.any()
    assert maps == pytest.approx(on_the_whole_network(net, card, LAYERS[name]), abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_the_maps_of_the_library(method):
    net, card = network("mobilenetv3_large_100")
    expected = on_the_whole_network(net, card, "blocks.6", METHODS[method])
    assert expected.any()
    assert ours(net, card, method) == pytest.approx(expected, abs=1e-4)


def test_maps_do_not_depend_on_the_batches(monkeypatch):
    net, card = network("simple_cnn", seed=3)
    monkeypatch.setattr(explainer, "BATCH", 2)
    maps = all_maps(Explainer(net, card, "GradCAM"), images(), ROWS, CLASSES)
    assert maps.any()
    assert maps == pytest.approx(ours(net, card), abs=1e-6)


def test_the_layer_comes_with_the_size_of_its_map():
    assert feature_layer(*network("resnet18", size=96)) == ("layer4", 3, 3)


def test_another_layer_can_be_named():
    net, card = network("resnet18")
    assert feature_layer(net, card, "layer3") == ("layer3", 4, 4)
    expected = on_the_whole_network(net, card, "layer3")
    assert expected.any()
    assert ours(net, card, layer="layer3") == pytest.approx(expected, abs=1e-4)
    assert ours(net, card, layer="layer4") == pytest.approx(ours(net, card), abs=1e-4)


@pytest.mark.parametrize(
    ("name", "layer", "words"),
    [
        ("resnet18", "layer5", "resnet18 has no layer 'layer5' (did you mean 'layer4'?)"),
        # Behind the pooling: the library would give maps of zeros without a word.
        ("mobilenetv3_large_100", "conv_head", "'conv_head' gives (1280, 1, 1), no feature map"),
        ("resnet18", "fc", "'fc' gives (3,), no feature map"),
    ],
)
def test_a_layer_that_can_not_be_explained_is_refused(name, layer, words):
    net, card = network(name)
    with pytest.raises(UserError, match=re.escape(words)):
        Explainer(net, card, "GradCAM", layer)


def test_nothing_is_left_on_the_network():
    net, card = network("simple_cnn")
    explain = Explainer(net, card, "GradCAM", "features")
    explain(images(), np.zeros(6, int))
    ours(net, card)
    assert not any(module._forward_hooks for module in net.modules())


def test_a_map_is_zero_where_nothing_speaks_for_the_class():
    net, card = network("simple_cnn")
    with torch.no_grad():
        net.dense[0].weight.abs_()
        net.classifier.weight.abs_().neg_()
    assert not ours(net, card).any()


def test_a_network_that_diverged_is_refused():
    net, card = network("simple_cnn")
    with torch.no_grad():
        net.classifier.weight.fill_(float("nan"))
    with pytest.raises(UserError, match="training diverged"):
        ours(net, card)


def test_a_network_without_a_feature_map_is_refused():
    net, card = network("vit_tiny_patch16_224", size=224)
    with pytest.raises(UserError, match=r"no feature map .* \(197, 192\)"):
        feature_layer(net, card)
