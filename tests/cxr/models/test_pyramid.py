"""The pyramid head: where its cells lie, how it pools, what it keeps of a network."""

import numpy as np
import pytest
import timm
import torch
from timm.models import group_parameters
from timm.optim import create_optimizer_v2

from cxr.models.networks import build_network
from cxr.models.pyramid import SHARPNESS, FeaturePyramid, enlarge, interpolation, pads_downsampling
from cxr.pipeline.errors import UserError

torch.set_num_threads(1)


def pyramid(name: str = "resnet18", **options) -> FeaturePyramid:
    torch.manual_seed(0)
    network = build_network(name, 3, head="pyramid", **options)
    assert isinstance(network, FeaturePyramid)
    return network.eval()


def test_a_cell_is_enlarged_around_its_own_place():
    maps = torch.zeros(1, 1, 3, 3)
    maps[0, 0, 1, 2] = 1
    large = enlarge(maps, torch.Size((5, 6)))
    assert large.shape == (1, 1, 5, 6)
    # Cell (1, 2) lies on cell (2, 4) of the larger map; what is beyond the last centre repeats it.
    expected_rows, expected_columns = [0, 0.5, 1, 0.5, 0], [0, 0, 0, 0.5, 1, 1]
    assert np.array_equal(large[0, 0], np.outer(expected_rows, expected_columns))


@pytest.mark.parametrize(("cells", "positions", "stride"), [(10, 80, 8), (1, 4, 2), (3, 80, 32)])
def test_interpolation_is_a_mean_and_exact_at_the_centres(cells, positions, stride):
    matrix = interpolation(cells, positions, stride)
    assert torch.equal(matrix.sum(1), torch.ones(positions))
    assert torch.equal(matrix[::stride][:cells], torch.eye(cells))


@pytest.mark.parametrize("stride", [4, 8])
def test_cells_lie_where_the_image_is_bright(stride):
    """A spot in a black image changes most the cell at its place."""
    network = pyramid(pyramid_stride=stride)
    black = torch.zeros(1, 1, 128, 128)
    with torch.no_grad():
        before = network.forward_features(black)
        for row, column in ((40, 88), (72, 32)):
            image = black.clone()
            image[0, 0, row - 3 : row + 4, column - 3 : column + 4] = 3
            change = (network.forward_features(image) - before).abs().sum((0, 1))
            place = np.unravel_index(int(change.argmax()), change.shape)
            assert change.shape == (128 // stride, 128 // stride)
            assert np.abs(np.array(place) * stride - (row, column)).max() <= 4


@pytest.mark.parametrize(
    ("name", "padded"),
    [
        *[("resnet18", True), ("mobilenetv2_100", True), ("simple_cnn", True)],
        *[("densenet121", False), ("convnext_atto", False)],
    ],
)
def test_networks_that_divide_maps_into_blocks_are_told_from_those_that_pad(name, padded):
    assert pads_downsampling(timm.create_model(name)) is padded


def test_a_block_is_enlarged_around_its_middle():
    maps = torch.tensor([[[[0.0, 1.0]]]])
    large = enlarge(maps, torch.Size((1, 4)), offset=0.5)
    assert large[0, 0, 0].tolist() == pytest.approx([0, 0.25, 0.75, 1])


def test_logits_are_the_log_mean_exp_of_the_cells():
    network = pyramid()
    network.classifier.weight.data.normal_()
    features = torch.rand(2, 128, 4, 5)
    cells = features.flatten(2).transpose(1, 2) @ network.classifier.weight.T
    expected = torch.log(torch.exp(SHARPNESS * cells).mean(1)) / SHARPNESS
    assert torch.allclose(network.forward_head(features), expected, atol=1e-5)
    assert torch.allclose(
        network.forward_head(features, pre_logits=True), features.mean((2, 3)), atol=1e-6
    )


def test_nothing_that_is_not_used_is_kept():
    network = pyramid("efficientnet_b0").train()
    network(torch.rand(2, 1, 64, 64)).sum().backward()
    assert all(weights.grad is not None for weights in network.parameters())
    whole = build_network("efficientnet_b0", 3)
    assert sum(map(torch.numel, network.parameters())) < sum(map(torch.numel, whole.parameters()))


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "mobilenetv2_100", "simple_cnn"])
def test_layers_are_grouped_from_the_stem_to_the_pyramid(name):
    network = pyramid(name)
    layers = group_parameters(network, network.group_matcher(), reverse=True)
    stem = next(name for name, _ in network.named_parameters())
    assert layers[stem] == 0
    last = max(layers.values())
    assert {layer for name, layer in layers.items() if not name.startswith("backbone.")} == {last}
    assert last > 2


def test_a_network_without_such_maps_is_refused():
    with pytest.raises(UserError, match=r"VisionTransformer has no maps .* `head: pooled`"):
        pyramid("vit_tiny_patch16_224", size=32)


def test_what_the_network_would_not_decay_is_not_decayed():
    network = build_network("efficientformerv2_s0", 3, size=64, head="pyramid")
    names = network.no_weight_decay()
    assert names
    assert names <= {name for name, _ in network.named_parameters()}
    groups = create_optimizer_v2(network, opt="sgd", lr=0.1, weight_decay=0.1).param_groups
    free = {id(each) for group in groups if not group["weight_decay"] for each in group["params"]}
    assert all(id(network.get_parameter(name)) in free for name in names)
