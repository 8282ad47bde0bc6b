"""Class activation maps of many images, by pytorch-grad-cam on the network's last part alone."""

from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from cxr.models.classifier import Classifier
from cxr.models.devices import default_device
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import nearest

METHODS = {
    "GradCAM": GradCAM,
    "GradCAM++": GradCAMPlusPlus,
    "HiResCAM": HiResCAM,
    "EigenCAM": EigenCAM,
    "LayerCAM": LayerCAM,
}
BATCH = 32
"""Images that are explained at a time."""

Maps = NDArray[np.float32]


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


class Explainer:
    """What speaks for a class in each image, at one layer of a network.

    At the layer whose output enters the pooling, the features are computed without gradients and
    the library is given the rest as its model: the same maps as from the whole network, at about
    the cost of a forward pass. At any other layer it is given the whole network.

    Args:
        method: a name in `METHODS`.
        layer: name of a module of the network; empty: the one before the pooling.

    Raises:
        UserError: if the network has no such layer, or none that gives a feature map.
    """

    def __init__(self, classifier: Classifier, method: str, layer: str = "") -> None:
        self.classifier = classifier
        classifier.network.to(default_device()).eval()
        self.layer, self.height, self.width = feature_layer(classifier, layer)
        self.whole = bool(layer)
        # A copy of the whole network: the library's hooks keep what passes through it.
        model = deepcopy(classifier.network) if self.whole else Head(classifier.network)
        target = model.get_submodule(layer) if self.whole else model.entry
        # Not in a `with` block, which would swallow an IndexError.
        self.cam = METHODS[method](model, target_layers=[target])

    def __call__(self, images: NDArray[np.uint8], classes: NDArray[np.int64]) -> Maps:
        """Explain a class in each image.

        Args:
            images: uint8 (N, S, S).
            classes: (N,), which class to explain in each.

        Returns:
            float32 (N, S, S), each scaled to 0 to 1. A map is all zero if nothing speaks for the
            class or the feature map is a single cell.

        Raises:
            UserError: if maps are infinite or undefined.
        """
        info = self.classifier.info
        inputs = self.classifier.to_input(images)
        if not self.whole:
            inputs = feature_map(self.classifier, inputs)
        goals = [ClassifierOutputTarget(int(number)) for number in classes]
        maps = self.cam(inputs.requires_grad_(), goals)
        size = (info.size, info.size)
        maps = scale_cam_image(scale_cam_image(maps, size)) if maps.shape[1:] != size else maps
        if not np.isfinite(maps).all():
            raise UserError(
                f"{info.architecture} gives heatmaps that are not finite: its training "
                "diverged. Lower its learning rate (params.yaml: architectures) and train it again."
            )
        return np.asarray(maps, np.float32)


def all_maps(
    explain: Explainer,
    pixels: NDArray[np.uint8],
    rows: NDArray[np.int64],
    classes: NDArray[np.int64],
) -> Maps:
    """Explain a few images at once, those to be drawn.

    Args:
        pixels: uint8 (images, S, S), may be memory-mapped.
        rows: (N,), which images.
        classes: (N,), which class to explain in each.

    Returns:
        float32 (N, S, S).
    """
    maps = np.empty((len(rows), *pixels.shape[1:]), np.float32)
    for start in range(0, len(rows), BATCH):
        batch = slice(start, start + BATCH)
        maps[batch] = explain(pixels[rows[batch]], classes[batch])
    return maps


@torch.no_grad()
def feature_map(classifier: Classifier, inputs: Tensor) -> Tensor:
    """The last feature map (N, C, h, w) of inputs (N, 1, S, S).

    Raises:
        UserError: if there is none, as in a vision transformer.
    """
    network, info = classifier.network, classifier.info
    features: Tensor = network.forward_features(inputs)  # type: ignore[operator]
    if features.ndim != 4 or features.shape[1] != network.num_features:
        raise UserError(
            f"{info.architecture} ({info.timm}) has no feature map for a heatmap: its features "
            f"are {tuple(features.shape[1:])}, not channels x height x width. Choose a "
            "convolutional network in params.yaml."
        )
    return features


def feature_layer(classifier: Classifier, layer: str = "") -> tuple[str, int, int]:
    """Name of the module whose output is explained, and its feature map's height and width.

    Without a name it is the module whose output is the last feature map. Where several give this
    same output (a block and the stage that it ends), it is the one that timm's `feature_info`
    names, or else the outermost.

    Raises:
        UserError: if the network has no module of this name, or its output is no feature map.
    """
    network, info = classifier.network, classifier.info
    modules = {name: module for name, module in network.named_modules() if name}
    if layer and layer not in modules:
        raise UserError(
            f"params.yaml: gradcam.layer: {info.timm} has no layer '{layer}'"
            f"{nearest(layer, list(modules))}. Its parts are: "
            f"{', '.join(name for name, _ in network.named_children())}."
        )
    given: list[tuple[str, object]] = []

    def watch(name: str, module: nn.Module) -> RemovableHandle:
        return module.register_forward_hook(lambda _, __, output: given.append((name, output)))

    handles = [watch(name, module) for name, module in modules.items()]
    try:
        blank = classifier.to_input(np.zeros((1, info.size, info.size), np.uint8))
        features = feature_map(classifier, blank)
        if layer:
            with torch.no_grad():
                network.forward_head(features)  # type: ignore[operator]
    finally:
        for handle in handles:
            handle.remove()
    if layer:
        return layer, *extent(dict(given).get(layer), layer)
    names = [name for name, output in given if output is features]
    known = {info["module"] for info in getattr(network, "feature_info", [])}
    name = min(
        names,
        key=lambda name: (name not in known, name.count(".")),
        default="output of forward_features",
    )
    return name, features.shape[2], features.shape[3]


def extent(output: object, layer: str) -> tuple[int, int]:
    """Height and width of a layer's output (1, C, h, w).

    Raises:
        UserError: if it has none, as behind the pooling, where a heatmap would be empty.
    """
    shape = tuple(output.shape) if isinstance(output, Tensor) else ()
    if len(shape) != 4 or shape[2:] == (1, 1):
        raise UserError(
            f"params.yaml: gradcam.layer: '{layer}' gives {shape[1:] or 'no tensor'}, no feature "
            "map with height and width: take a layer before the pooling, or '' for the last one."
        )
    return shape[2], shape[3]
