import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from cxr.heatmaps import explainer
from cxr.heatmaps.explainer import METHODS, Explainer, enlarge_to, explain_rows, feature_layer
from cxr.models.classifier import Classifier
from cxr.models.info import ModelInfo
from cxr.models.pyramid import pads_downsampling
from cxr.pipeline.errors import UserError
from tests.helpers.rounding import SIMPLE_CNN, rounding

LAYERS = {
    "resnet18": "layer4",
    "resnet50": "layer4",
    "densenet121": "features.norm5",
    "efficientnetv2_rw_t": "bn2",
    "efficientnet_b0": "bn2",
    "mobilenetv2_100": "bn2",
    "mobilenetv3_large_100": "blocks.6",
    "simple_cnn": "features.3",
}
SIZE = 64
ROWS = np.array([5, 0, 3, 1, 2])
CLASSES = np.array([0, 1, 2, 0, 1])


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def random_classifier(name, size=SIZE, seed=0, head="pooled"):
    torch.manual_seed(seed)
    return Classifier.build(ModelInfo(name, name, ["a", "b", "c"], size, 0.5, 0.25, head))


def images(size=SIZE):
    return np.random.default_rng(0).integers(0, 256, (6, size, size)).astype(np.uint8)


def ours(classifier, method="GradCAM", layer=""):
    return Explainer(classifier, method, layer)(images()[ROWS], CLASSES)


def on_the_whole_network(classifier, layer, method=GradCAM):
    network = classifier.network.eval()
    cam = method(network, target_layers=[network.get_submodule(layer)])
    cam.get_target_width_height = lambda _: None
    goals = [ClassifierOutputTarget(int(number)) for number in CLASSES]
    padded = pads_downsampling(network)
    return enlarge_to(SIZE, cam(classifier.to_input(images()[ROWS]), goals), padded)


@pytest.mark.parametrize("name", LAYERS)
def test_maps_are_those_of_the_library_on_the_whole_network(name):
    # With this seed the small network's maps are not all empty.
    classifier = random_classifier(name, seed=3)
    assert feature_layer(classifier)[0] == LAYERS[name]
    maps = ours(classifier)
    assert maps.shape == (5, SIZE, SIZE)
    assert maps.dtype == np.float32
    assert np.isfinite(maps).all()
    assert maps.any()
    assert maps == pytest.approx(on_the_whole_network(classifier, LAYERS[name]), abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_the_maps_of_the_library(method):
    classifier = random_classifier("mobilenetv3_large_100")
    expected = on_the_whole_network(classifier, "blocks.6", METHODS[method])
    assert expected.any()
    assert ours(classifier, method) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("setting", ["mirrored", "test_time_flip"])
def test_if_images_are_mirrored_a_mirrored_image_has_the_mirrored_map(setting):
    classifier = random_classifier("resnet18", seed=3)
    alone = ours(classifier)
    classifier.info = replace(classifier.info, **{setting: True})
    explain = Explainer(classifier, "GradCAM")
    maps = explain(images()[ROWS], CLASSES)
    assert maps.any()
    assert maps.max() == pytest.approx(1)
    assert maps != pytest.approx(alone, abs=1e-2)
    mirrored = explain(images()[ROWS][:, :, ::-1], CLASSES)
    assert mirrored[:, :, ::-1] == pytest.approx(maps, abs=1e-5)


@pytest.mark.parametrize(("size", "stride"), [(80, 8), (80, 32), (72, 16), (65, 32), (40, 8)])
def test_a_cell_is_shown_at_its_place_in_the_image(size, stride):
    """The centre of cell i is pixel i * stride, also where the last cell is cut off."""
    maps = np.zeros((1, math.ceil(size / stride), math.ceil(size / stride)), np.float32)
    maps[0, 1, 2] = 1
    large = enlarge_to(size, maps)
    assert np.unravel_index(large.argmax(), large.shape) == (0, stride, 2 * stride)
    assert large.max() == pytest.approx(1)
    assert large[0, stride + stride // 2, 2 * stride] == pytest.approx(0.5)


def test_without_padding_a_cell_is_shown_in_the_middle_of_its_block():
    maps = np.zeros((1, 4, 4), np.float32)
    maps[0, 1, 2] = 1
    large = enlarge_to(64, maps, padded=False)[0]
    rows, columns = np.indices(large.shape)
    assert (rows * large).sum() / large.sum() == pytest.approx(16 + 7.5)
    assert (columns * large).sum() / large.sum() == pytest.approx(2 * 16 + 7.5)


def test_maps_do_not_depend_on_the_batches(monkeypatch):
    classifier = random_classifier("simple_cnn", seed=3)
    monkeypatch.setattr(explainer, "BATCH_SIZE", 2)
    maps = explain_rows(Explainer(classifier, "GradCAM"), images(), ROWS, CLASSES)
    assert maps.any()
    assert maps == pytest.approx(ours(classifier), abs=rounding(SIMPLE_CNN))


def test_the_layer_comes_with_the_size_of_its_map():
    assert feature_layer(random_classifier("resnet18", size=96)) == ("layer4", 3, 3)


def test_another_layer_can_be_named():
    classifier = random_classifier("resnet18")
    assert feature_layer(classifier, "layer3") == ("layer3", 4, 4)
    expected = on_the_whole_network(classifier, "layer3")
    assert expected.any()
    assert ours(classifier, layer="layer3") == pytest.approx(expected, abs=1e-4)
    assert ours(classifier, layer="layer4") == pytest.approx(ours(classifier), abs=1e-4)


@pytest.mark.parametrize(
    ("name", "head", "layer", "words"),
    [
        ("resnet18", "pooled", "layer5", "resnet18 has no layer 'layer5' (did you mean 'layer4'?)"),
        # After the pooling, the library would return maps of zeros without an error.
        (
            "mobilenetv3_large_100",
            "pooled",
            "conv_head",
            "'conv_head' has no feature map with height and width before the pooling",
        ),
        ("resnet18", "pooled", "fc", "such as act1, layer1, layer2, layer3, layer4."),
        # Their outputs are rows x columns x channels.
        (
            "resnet18",
            "pyramid",
            "classifier",
            "such as backbone.act1, backbone.layer1, backbone.layer2, backbone.layer3, mix.",
        ),
        ("simple_cnn", "pyramid", "dropout", "'dropout' has no feature map"),
        ("resnet18", "pyramid", "backbone.layer4", "has no layer 'backbone.layer4'"),
    ],
)
def test_a_layer_that_can_not_be_explained_is_refused(name, head, layer, words):
    classifier = random_classifier(name, head=head)
    with pytest.raises(UserError, match=re.escape(words)) as caught:
        Explainer(classifier, "GradCAM", layer)
    assert "\n" not in str(caught.value)


def test_the_last_layer_by_its_name_is_the_last_layer():
    classifier = random_classifier("simple_cnn", seed=3, head="pyramid")
    explain = Explainer(classifier, "GradCAM", "mix")
    assert not explain.uses_whole_network
    maps = explain(images()[ROWS], CLASSES)
    assert maps.any()
    assert (maps == ours(classifier)).all()


def test_nothing_is_left_on_the_network():
    classifier = random_classifier("simple_cnn")
    explain = Explainer(classifier, "GradCAM", "features")
    explain(images(), np.zeros(6, int))
    ours(classifier)
    assert not any(module._forward_hooks for module in classifier.network.modules())


def test_a_map_is_zero_where_nothing_speaks_for_the_class():
    classifier = random_classifier("simple_cnn")
    with torch.no_grad():
        classifier.network.dense[0].weight.abs_()
        classifier.network.classifier.weight.abs_().neg_()
    assert not ours(classifier).any()


def test_a_network_that_diverged_is_refused():
    classifier = random_classifier("simple_cnn")
    with torch.no_grad():
        classifier.network.classifier.weight.fill_(float("nan"))
    with pytest.raises(UserError, match="training diverged"):
        ours(classifier)


def test_a_network_without_a_feature_map_is_refused():
    classifier = random_classifier("vit_tiny_patch16_224", size=224)
    with pytest.raises(UserError, match=r"no feature map .* \(197, 192\)"):
        feature_layer(classifier)
