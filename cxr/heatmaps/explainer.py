"""Class activation maps by pytorch-grad-cam, for batches of images."""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

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
from cxr.models.pyramid import FeaturePyramid, interpolation, pads_downsampling
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import nearest

METHODS = {
    "GradCAM": GradCAM,
    "GradCAM++": GradCAMPlusPlus,
    "HiResCAM": HiResCAM,
    "EigenCAM": EigenCAM,
    "LayerCAM": LayerCAM,
}
BATCH_SIZE = 32

Images = NDArray[np.uint8]
Maps = NDArray[np.float32]


class NetworkHead(nn.Module):
    """The part of a timm network after its last feature map."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        # The target layer for the library: its output is the feature map.
        self.entry = nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Feature maps (N, C, h, w) to logits (N, classes)."""
        logits: Tensor = self.network.forward_head(self.entry(features))  # type: ignore[operator]
        return logits


class Explainer:
    """Computes heatmaps of the evidence for a class, at one layer of a network.

    For the last layer before the pooling, features are computed without gradients, and the
    library gets only the rest of the network. This gives the same maps as the whole network, at
    about the cost of a forward pass. For any other layer it gets the whole network.

    If images are mirrored in training or in predictions, a map is the mean of those of the image
    and of its mirror image, at twice the cost: their cells lie at different places, and what they
    do not share is noise. Both are scaled to 0 to 1 before. EigenCAM is left out, since its sign is
    arbitrary.

    Args:
        method: a key of `METHODS`.
        layer: name of a layer of the network; empty: the last one before the pooling.

    Attributes:
        layer, height, width: name of the layer and size of its feature map.

    Raises:
        UserError: if the network has no such layer, or the layer has no feature map.
    """

    def __init__(self, classifier: Classifier, method: str, layer: str = "") -> None:
        self.classifier = classifier
        network = classifier.network.to(default_device()).eval()
        last = feature_layer(classifier)
        self.uses_whole_network = layer not in ("", last[0])
        self.layer, self.height, self.width = (
            feature_layer(classifier, layer) if self.uses_whole_network else last
        )
        self.padded = pads_downsampling(network)
        # A copy of the whole network: the library's hooks store what passes through it.
        model = deepcopy(network) if self.uses_whole_network else NetworkHead(network)
        target = model.get_submodule(layer) if self.uses_whole_network else model.entry
        # Not used as a context manager, because that would suppress an IndexError.
        self.cam = METHODS[method](model, target_layers=[target])
        # The library would enlarge maps as if cell i lay between pixels, see `enlarge_to`.
        self.cam.get_target_width_height = lambda _: None

    def __call__(self, images: Images, classes: NDArray[np.int64]) -> Maps:
        """Explain one class in each image.

        Args:
            images: uint8 (N, S, S).
            classes: (N,), index of the class to explain in each image.

        Returns:
            float32 (N, S, S), each scaled to 0 to 1. A map is all zero if there is no evidence
            for the class or the feature map has a single cell.

        Raises:
            UserError: if maps have NaN or infinite values.
        """
        maps = self.explain(images, classes)
        info = self.classifier.info
        if isinstance(self.cam, EigenCAM) or not (info.mirrored or info.test_time_flip):
            return maps
        mirrored = self.explain(images[:, :, ::-1], classes)[:, :, ::-1]
        return np.asarray(scale_cam_image(maps + mirrored), np.float32)

    def explain(self, images: Images, classes: NDArray[np.int64]) -> Maps:
        """Explain the images as they are; for arguments and errors, see `__call__`."""
        info = self.classifier.info
        inputs = self.classifier.to_input(images)
        if not self.uses_whole_network:
            inputs = last_feature_map(self.classifier, inputs)
        targets = [ClassifierOutputTarget(int(index)) for index in classes]
        maps = enlarge_to(info.size, self.cam(inputs.requires_grad_(), targets), self.padded)
        if not np.isfinite(maps).all():
            raise UserError(
                f"the heatmaps of {info.architecture} are NaN or infinite, because its training "
                "diverged: decrease its learning rate (params.yaml: architectures) and train it "
                "again."
            )
        return maps


def enlarge_to(size: int, maps: Maps, padded: bool = True) -> Maps:
    """Interpolate maps linearly to the size of the image, and scale each to 0 to 1.

    Args:
        maps: (N, h, w).
        padded: whether cell i lies at pixel i * stride (see `pads_downsampling`), or half a stride
            further right and down, as the usual interpolation assumes.

    Returns:
        float32 (N, size, size).
    """
    rows, columns = (enlarging_matrix(size, cells, padded) for cells in maps.shape[1:])
    return np.asarray(scale_cam_image(rows @ maps @ columns.T), np.float32)


def enlarging_matrix(size: int, cells: int, padded: bool) -> Maps:
    """Return the matrix (size, cells) that interpolates the values of cells at each pixel."""
    stride = stride_of(cells, size)
    return interpolation(cells, size, stride, 0.0 if padded else (stride - 1) / 2).numpy()


def stride_of(cells: int, size: int) -> float:
    """Return the distance between neighbouring cells, in pixels.

    It is a power of two where the map has as many cells as padded convolutions give, also if the
    size is no multiple of it.
    """
    powers = (2**exponent for exponent in range(size.bit_length()))
    return next((power for power in powers if math.ceil(size / power) == cells), size / cells)


def explain_rows(
    explain: Callable[..., Maps],
    pixels: Images,
    rows: NDArray[np.int64],
    classes: NDArray[np.int64],
) -> Maps:
    """Explain a few images of the pixel array, in batches.

    Args:
        explain: an `Explainer`.
        pixels: uint8 (M, S, S), may be memory-mapped.
        rows: (N,), which images.
        classes: (N,), index of the class to explain in each image.

    Returns:
        float32 (N, S, S).
    """
    maps = np.empty((len(rows), *pixels.shape[1:]), np.float32)
    for start in range(0, len(rows), BATCH_SIZE):
        batch = slice(start, start + BATCH_SIZE)
        maps[batch] = explain(pixels[rows[batch]], classes[batch])
    return maps


@torch.no_grad()
def last_feature_map(classifier: Classifier, inputs: Tensor) -> Tensor:
    """Compute the last feature map (N, C, h, w) for inputs (N, 1, S, S).

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
    """Return the name of the layer to explain, and the height and width of its feature map.

    If no layer is given, it is the module whose output is the last feature map. If several modules
    have this output (a block and the stage that ends with it), it is the one listed in timm's
    `feature_info`, or else the outermost.

    Raises:
        UserError: if the network has no such module, or it has no feature map before the pooling.
    """
    network, info = classifier.network, classifier.info
    # Without the empty ones that timm leaves in place of what a pyramid does not use.
    modules = {
        name: module
        for name, module in network.named_modules()
        if name and not (isinstance(module, nn.Sequential) and not len(module))
    }
    if layer and layer not in modules:
        raise UserError(
            f"params.yaml: gradcam.layer: {info.timm} has no layer '{layer}'"
            f"{nearest(layer, list(modules))}. Its parts are: "
            f"{', '.join(name for name, _ in network.named_children())}."
        )
    outputs: list[tuple[str, Any]] = []

    def record_output(name: str, module: nn.Module) -> RemovableHandle:
        return module.register_forward_hook(lambda _, __, output: outputs.append((name, output)))

    handles = [record_output(name, module) for name, module in modules.items()]
    try:
        blank = classifier.to_input(np.zeros((1, info.size, info.size), np.uint8))
        features = last_feature_map(classifier, blank)
    finally:
        for handle in handles:
            handle.remove()
    listed = listed_layers(network)
    last = min(
        (name for name, output in outputs if output is features),
        key=lambda name: (name not in listed, name.count(".")),
        default="output of forward_features",
    )
    if not layer:
        return last, features.shape[2], features.shape[3]
    # Nothing after the pooling is here: its heatmap would be empty, or of channels.
    maps = {name: output for name, output in outputs if is_feature_map(output)}
    if layer not in maps:
        others = dict.fromkeys([*(name for name in listed if name in maps), last])
        raise UserError(
            f"params.yaml: gradcam.layer: '{layer}' has no feature map with height and width "
            f"before the pooling: choose '' for the last one, or another, such as "
            f"{', '.join(others)}."
        )
    return layer, maps[layer].shape[2], maps[layer].shape[3]


def listed_layers(network: nn.Module) -> list[str]:
    """Return the layers that timm lists, one for each size of map; none for some networks."""
    if isinstance(network, FeaturePyramid):
        return [f"backbone.{name}" for name in listed_layers(network.backbone)]
    return [stage["module"] for stage in getattr(network, "feature_info", [])]


def is_feature_map(output: object) -> bool:
    """Whether a layer's output is (1, C, h, w) with more than one cell."""
    return isinstance(output, Tensor) and output.ndim == 4 and output.shape[2:] != (1, 1)
