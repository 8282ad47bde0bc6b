"""Networks of the timm library, built for grey images."""

from typing import Any

import timm
from torch import nn

import cxr.models.simple_cnn  # noqa: F401  (registers the network with timm)
from cxr.models.pyramid import FeaturePyramid
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import PYRAMID_STRIDE, nearest


def build_network(
    name: str,
    classes: int,
    drop_rate: float = 0.0,
    size: int | None = None,
    head: str = "pooled",
    pyramid_stride: int = PYRAMID_STRIDE,
) -> nn.Module:
    """Build a timm network with one input channel and random weights.

    Args:
        name: timm's name for it.
        classes: number of outputs.
        drop_rate: dropout before the classifier.
        size: side length of its input in pixels, for networks that are built for a fixed size.
        head: pooled (the network's own last layers) or pyramid (see `FeaturePyramid`).
        pyramid_stride: the image's size divided by that of the map that a pyramid classifies.

    Raises:
        UserError: if timm has no network of this name, or it has no feature pyramid.
    """
    if not timm.is_model(name):
        raise UserError(
            f"params.yaml: architectures: timm has no model '{name}'"
            f"{nearest(name, timm.list_models())}"
        )
    network: nn.Module = timm.create_model(
        name, in_chans=1, num_classes=classes, drop_rate=drop_rate, **size_options(name, size)
    )
    if head == "pyramid":
        network = FeaturePyramid(network, classes, drop_rate, pyramid_stride)
    classifier = network.get_classifier()  # type: ignore[operator]
    if isinstance(classifier, nn.Linear):
        # As in torchvision's MobileNets. timm initializes those for 1,000 classes, which gives an
        # initial loss of 10 with three.
        nn.init.normal_(classifier.weight, std=0.01)
        nn.init.zeros_(classifier.bias)
    return network


def size_options(name: str, size: int | None) -> dict[str, Any]:
    """Return timm's option for the input size, for networks of fixed size (transformers)."""
    config = timm.get_pretrained_cfg(name)
    fixed = config is not None and config.fixed_input_size
    return {"img_size": size} if fixed and size is not None else {}
