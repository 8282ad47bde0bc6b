"""A feature pyramid in place of a network's own last layer, for heatmaps of a higher resolution.

The last map of a usual network has 3 x 3 cells for an image of 96 pixels, each of which depends on
the whole image, so a class activation map cannot say where the disease is. Here the classifier
sees a map of 1/8 or 1/4 of the image's size, as in PYLON (Preechakul et al. 2022, "Improved image
classification explainability with high-accuracy heatmaps"), whose cells depend most on what is
near them: their effective receptive field is small, if the network has few layers (Luo et al. 2016,
"Understanding the effective receptive field").
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cxr.pipeline.errors import UserError
from cxr.pipeline.params import PYRAMID_STRIDE

WIDTH = 128
"""Channels of the pyramid's maps."""
SHARPNESS = 4.0
"""Of the pooling: 0 is the mean over all cells, infinity the maximum."""


class FeaturePyramid(nn.Module):
    """A timm network whose classifier sees each cell of a feature pyramid.

    Two maps, such as 1/8 and 1/16 of the image's size, are brought to the same number of channels,
    and added (Lin et al. 2017, "Feature pyramid networks"). Each cell of the sum is classified, and
    the logits are pooled by log-sum-exp, a maximum that all cells take part in (Pinheiro and
    Collobert 2015, "From image-level to pixel-level labeling").

    Attributes:
        backbone: the timm network up to the coarser of the two maps.
        num_features: channels of the map that is classified.
    """

    def __init__(
        self,
        backbone: nn.Module,
        classes: int,
        drop_rate: float = 0.0,
        stride: int = PYRAMID_STRIDE,
    ) -> None:
        """Raise a UserError if the network has no maps of 1/stride and 1/(2 stride)."""
        super().__init__()
        levels = pyramid_levels(backbone, stride)
        backbone.prune_intermediate_layers(list(levels), prune_head=True)  # type: ignore[operator]
        self.backbone = backbone
        self.offset = 0.0 if pads_downsampling(backbone) else 0.5
        self.indices = list(levels)
        self.num_features = WIDTH
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, WIDTH, 1, bias=False), nn.BatchNorm2d(WIDTH))
            for channels in levels.values()
        )
        self.mix = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(),
        )
        self.dropout = nn.Dropout(drop_rate)
        self.classifier = nn.Linear(WIDTH, classes)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, 128, H/stride, W/stride)."""
        maps = self.backbone.forward_intermediates(  # type: ignore[operator]
            x, indices=self.indices, intermediates_only=True
        )
        fine, coarse = (layer(each) for layer, each in zip(self.laterals, maps, strict=True))
        mixed: Tensor = self.mix(fine + enlarge(coarse, fine.shape[2:], self.offset))
        return mixed

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """The map to logits (N, classes), or to the mean of its cells (N, 128)."""
        if pre_logits:
            return x.mean((2, 3))
        # In fp32 also where training is in bf16, whose three digits are too few for the exponents.
        logits = self.classifier(self.dropout(x.permute(0, 2, 3, 1))).float().flatten(1, 2)
        pooled = torch.logsumexp(SHARPNESS * logits, 1) - math.log(logits.shape[1])
        return pooled / SHARPNESS

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def get_classifier(self) -> nn.Module:
        """Return the last layer."""
        return self.classifier

    def no_weight_decay(self) -> set[str]:
        """Name the backbone's parameters, besides biases and norms, that timm would not decay."""
        names: set[str] = getattr(self.backbone, "no_weight_decay", set)()
        return {f"backbone.{name}" for name in names}

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Group the backbone's parameters into layers for timm; the rest is the last layer."""
        groups: dict[str, Any] = self.backbone.group_matcher(coarse)  # type: ignore[operator]
        return {
            name: inside_backbone(patterns)
            if isinstance(patterns, str)
            else [(inside_backbone(pattern), order) for pattern, order in patterns]
            for name, patterns in groups.items()
        }


def inside_backbone(pattern: str) -> str:
    """Change a regular expression for names of the backbone to one for names of the pyramid."""
    return rf"^backbone\.(?:{pattern.replace('^', '')})"


def pyramid_levels(network: nn.Module, stride: int) -> dict[int, int]:
    """Return the index among timm's intermediate maps, and the channels, of both maps.

    Raises:
        UserError: if the network does not have them, as a vision transformer.
    """
    features = list(getattr(network, "feature_info", []))
    levels = {
        index: feature["num_chs"]
        for index, feature in enumerate(features)
        if feature["reduction"] in (stride, 2 * stride)
    }
    strides = [features[index]["reduction"] for index in levels]
    if strides != [stride, 2 * stride] or not hasattr(network, "prune_intermediate_layers"):
        raise UserError(
            f"{type(network).__name__} has no maps of 1/{stride} and 1/{2 * stride} of the image's "
            "size, as a feature pyramid needs: set `head: pooled` in the recipe in params.yaml."
        )
    return levels


def pads_downsampling(network: nn.Module) -> bool:
    """Whether cell i of each map lies at pixel i * stride.

    It does where every layer that reduces the size pads both sides, as in ResNets and MobileNets.
    Layers that divide a map into blocks of 2 x 2, as in DenseNets, put it into the block's middle.
    """
    return not any(
        module.kernel_size in (module.stride, (module.stride,) * 2)
        and module.stride not in (1, (1, 1))
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d)
    )


def enlarge(maps: Tensor, size: torch.Size, offset: float = 0.0) -> Tensor:
    """Interpolate maps to twice as many cells, linearly.

    The usual interpolation assumes that cell i lies between the cells 2 i and 2 i + 1 of the larger
    map. With padded downsampling it lies on 2 i.

    Args:
        maps: (N, C, h, w).
        size: of the larger map, H = 2 h or 2 h - 1, and W.
        offset: distance of cell i from cell 2 i: 0, or 0.5 without padding.

    Returns:
        (N, C, H, W).
    """
    rows, columns = (
        interpolation(cells, large, 2, offset, maps.device).to(maps.dtype)
        for cells, large in zip(maps.shape[2:], size, strict=True)
    )
    # As products of matrices, because the gradient of torch's own interpolation is not repeatable
    # on a GPU.
    wide = F.linear(maps, columns)
    return F.linear(wide.transpose(2, 3), rows).transpose(2, 3)


def interpolation(
    cells: int,
    positions: int,
    stride: float,
    offset: float = 0.0,
    device: torch.device | None = None,
) -> Tensor:
    """Return the matrix that interpolates values of cells linearly at finer positions.

    Args:
        cells: how many there are. The centre of cell i is at position i * stride + offset; beyond
            the first and the last centre, their values are repeated.

    Returns:
        float32 (positions, cells), whose rows sum to 1.
    """
    # On the device: a copy to a GPU waits for all that was started before, and no CUDA graph can
    # record it.
    centres, places = (torch.arange(count, device=device) for count in (cells, positions))
    place = ((places - offset) / stride).clamp(0, cells - 1)
    distance = (place[:, None] - centres).abs()
    return (1 - distance).clamp(min=0)
