"""Class activation maps of many images, by pytorch-grad-cam on the network's last part alone."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from stages.command import UserError
from stages.models import Card, device, to_input

METHODS = {
    "GradCAM": GradCAM,
    "GradCAM++": GradCAMPlusPlus,
    "HiResCAM": HiResCAM,
    "EigenCAM": EigenCAM,
    "LayerCAM": LayerCAM,
}


class Head(nn.Module):
    """The part of a timm network behind its last feature map."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        # A module for the library to watch: its output is the feature map.
        self.entry = nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Feature maps (N, C, h, w) to logits (N, classes)."""
        logits: Tensor = self.network.forward_head(self.entry(features))  # type: ignore[operator]
        return logits


def heatmaps(
    network: nn.Module,
    card: Card,
    pixels: NDArray[np.uint8],
    rows: NDArray[np.int64],
    classes: NDArray[np.int64],
    method: str,
    batch_size: int = 32,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """What speaks for a class in each image, at the layer whose output enters the pooling.

    The features are computed without gradients, and the library is given the rest as its model:
    the same maps as from the whole network, at about the cost of a forward pass.

    Args:
        pixels: uint8 (images, S, S), may be memory-mapped.
        rows: (N,), which images.
        classes: (N,), which class to explain in each.
        method: a name in `METHODS`.

    Yields:
        up to `batch_size` rows, and their maps, float32 (rows, S, S), each scaled to 0 to 1. A
        map is all zero if nothing speaks for the class or the feature map is a single cell.

    Raises:
        UserError: if the network is not convolutional, or gives infinite or undefined maps.
    """
    target = device()
    head = Head(network.to(target).eval())
    # Not in a `with` block, which would swallow an IndexError; the hooks are on `head` alone.
    cam = METHODS[method](head, target_layers=[head.entry])
    for start in range(0, len(rows), batch_size):
        batch = slice(start, start + batch_size)
        features = feature_map(network, to_input(pixels[rows[batch]], card, target), card)
        goals = [ClassifierOutputTarget(int(number)) for number in classes[batch]]
        maps = cam(features.requires_grad_(), goals)
        maps = scale_cam_image(scale_cam_image(maps, (card.size, card.size)))
        if not np.isfinite(maps).all():
            raise UserError(
                f"{card.architecture} gives heatmaps that are not finite: its training diverged. "
                "Lower its learning rate (params.yaml: architectures) and train it again."
            )
        yield rows[batch], maps


@torch.no_grad()
def feature_map(network: nn.Module, images: Tensor, card: Card) -> Tensor:
    """The last feature map (N, C, h, w) of images (N, 1, S, S).

    Raises:
        UserError: if there is none, as in a vision transformer.
    """
    features: Tensor = network.forward_features(images)  # type: ignore[operator]
    if features.ndim != 4 or features.shape[1] != network.num_features:
        raise UserError(
            f"{card.architecture} ({card.timm}) has no feature map for a heatmap: its features "
            f"are {tuple(features.shape[1:])}, not channels x height x width. Choose a "
            "convolutional network in params.yaml."
        )
    return features


def feature_layer(network: nn.Module, card: Card) -> tuple[str, int, int]:
    """Name of the module whose output is the last feature map, and that map's height and width.

    Where several modules give this same output (a block and the stage that it ends), it is the
    one that timm's `feature_info` names, or else the outermost.
    """
    given: list[tuple[str, Tensor]] = []

    def watch(name: str, module: nn.Module) -> RemovableHandle:
        return module.register_forward_hook(lambda _, __, output: given.append((name, output)))

    handles = [watch(name, module) for name, module in network.named_modules() if name]
    try:
        blank = to_input(np.zeros((1, card.size, card.size), np.uint8), card, device())
        features = feature_map(network.to(device()).eval(), blank, card)
    finally:
        for handle in handles:
            handle.remove()
    names = [name for name, output in given if output is features]
    known = {info["module"] for info in getattr(network, "feature_info", [])}
    name = min(
        names,
        key=lambda name: (name not in known, name.count(".")),
        default="output of forward_features",
    )
    return name, features.shape[2], features.shape[3]
