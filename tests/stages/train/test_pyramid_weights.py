"""Initial weights of a network with a feature pyramid."""

import pytest
import timm
import torch

from cxr.models.classifier import Classifier
from cxr.models.info import MODEL_FILE, ModelInfo
from cxr.models.networks import build_network
from cxr.pipeline.errors import UserError
from stages.train.convert_weights import rgb_to_grey
from stages.train.weights import load_initial_weights

torch.set_num_threads(1)


def classifier(name: str, head: str = "pyramid", stride: int = 8) -> Classifier:
    info = ModelInfo(name, name, ["a", "b", "c"], 64, 0.4, 0.2, head, pyramid_stride=stride)
    return Classifier.build(info)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0"])
def test_a_pyramid_takes_the_weights_of_the_whole_network(name, tmp_path):
    torch.manual_seed(1)
    whole = timm.create_model(name)
    torch.save(whole.state_dict(), tmp_path / "weights.pth")
    ours = classifier(name)
    mixing = ours.network.mix[1].weight.clone()
    load_initial_weights(ours, str(tmp_path / "weights.pth"))
    loaded = {
        key.removeprefix("backbone."): tensor
        for key, tensor in ours.network.state_dict().items()
        if key.startswith("backbone.")
    }
    expected, mean, _ = rgb_to_grey(whole.state_dict(), build_network(name, 3))
    assert len(loaded) > 50
    assert all(torch.equal(tensor, expected[key]) for key, tensor in loaded.items())
    assert torch.equal(ours.network.mix[1].weight, mixing)
    assert ours.info.mean == mean


def test_a_pooled_head_cannot_take_the_weights_of_a_pyramid(tmp_path):
    classifier("simple_cnn").save(tmp_path)
    with pytest.raises(UserError, match="was trained with head: pyramid"):
        load_initial_weights(classifier("simple_cnn", "pooled"), str(tmp_path / MODEL_FILE))


def test_a_pyramid_of_another_stride_is_refused(tmp_path):
    classifier("simple_cnn", stride=4).save(tmp_path)
    with pytest.raises(UserError, match=r"with pyramid_stride: 4: .* \(now 8\)"):
        load_initial_weights(classifier("simple_cnn"), str(tmp_path / MODEL_FILE))


@pytest.mark.parametrize("stride", [4, 8])
def test_a_pyramid_takes_its_own_weights_again(stride, tmp_path):
    first, second = (classifier("simple_cnn", stride=stride) for _ in range(2))
    first.save(tmp_path)
    cells = Classifier.load(tmp_path).network.forward_features(torch.zeros(1, 1, 64, 64))
    assert cells.shape[2:] == (64 // stride, 64 // stride)
    load_initial_weights(second, str(tmp_path / MODEL_FILE))
    for key, tensor in first.network.state_dict().items():
        assert torch.equal(second.network.state_dict()[key], tensor)
