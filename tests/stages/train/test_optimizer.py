import pytest
import torch
from torch import nn

from cxr.models.networks import build_network
from cxr.pipeline.params import load
from stages.train.optimizer import build_optimizer, freeze_backbone, lr_factor
from tests.helpers.training import PARAMS


def test_the_learning_rate_rises_then_falls_along_a_cosine():
    rates = [lr_factor(step, warmup=4, total=24) for step in range(-2, 24)]
    assert rates[:2] == [1, 1]
    assert rates[2:7] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[16] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.01


def rates(name: str, layer_decay: float) -> dict[str, float]:
    """Learning rate of each parameter."""
    model = build_network(name, 3)
    settings = load(PARAMS).training().model_copy(update={"lr": 0.1, "layer_decay": layer_decay})
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = build_optimizer(model, settings).param_groups
    return {names[id(weight)]: group["lr"] for group in groups for weight in group["params"]}


def test_layers_learn_the_slower_the_farther_they_are_from_the_classifier():
    lrs = rates("simple_cnn", 0.5)
    layers = [
        "features.0.0",
        "features.1.0",
        "features.2.0",
        "features.3.0",
        "dense.0",
        "classifier",
    ]
    by_depth = [lrs[f"{layer}.weight"] for layer in layers]
    assert by_depth == pytest.approx([0.1 * 0.5**depth for depth in (5, 4, 3, 2, 1, 0)])
    lrs = rates("resnet18", 0.5)
    blocks = [lrs[f"layer{n}.{m}.conv1.weight"] for n in (1, 2, 3, 4) for m in (0, 1)]
    assert blocks == pytest.approx([0.1 * 0.5**depth for depth in range(8, 0, -1)])
    assert lrs["fc.weight"] == lrs["fc.bias"] == 0.1


def test_without_layer_decay_all_learn_alike():
    assert set(rates("resnet18", 1.0).values()) == {0.1}


def test_lamb_moves_each_layer_by_a_fixed_share_of_its_weights() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3))
    settings = load(PARAMS).training().model_copy(update={"lr": 0.1, "optimizer": "lamb"})
    optimizer = build_optimizer(network, settings)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    # The second layer's gradient is far larger, which counts for nothing.
    (network[0].weight.sum() + 1e4 * network[1].weight.square().sum()).backward()
    optimizer.step()
    for old, new in zip(before, network.parameters(), strict=True):
        if new.ndim > 1:
            share = (new.detach() - old).norm() / old.norm()
            # The step and the sums are in float32.
            assert share == pytest.approx(0.1, rel=1e-5)


def test_a_frozen_backbone_leaves_the_pyramid_trainable() -> None:
    network = build_network("simple_cnn", 3, head="pyramid")
    freeze_backbone(network, True)
    trainable = {name.split(".")[0] for name, p in network.named_parameters() if p.requires_grad}
    assert trainable == {"laterals", "mix", "classifier"}
    assert not network.backbone.training
    assert network.mix.training
    freeze_backbone(network, False)
    assert all(weights.requires_grad for weights in network.parameters())
    assert network.backbone.training
