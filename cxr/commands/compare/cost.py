"""The cost of a network: parameters, size, multiply-adds."""

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from cxr.models.networks import build_network
from cxr.pipeline.params import PYRAMID_STRIDE


@dataclass(frozen=True)
class Cost:
    """The cost of a network in fp32.

    Attributes:
        parameters: number of trainable parameters.
        megabytes: size of all tensors in model.safetensors, in 10^6 bytes.
        multiply_adds: for one image.
    """

    parameters: int
    megabytes: float
    multiply_adds: int


def model_cost(
    timm: str, classes: int, size: int, head: str, pyramid_stride: int = PYRAMID_STRIDE
) -> Cost:
    """Count the parameters and operations of a network without computing anything.

    Args:
        timm: the timm library's name for it.
        size: side length of the input in pixels.
        head, pyramid_stride: see `build_network`.
    """
    with torch.device("meta"), torch.inference_mode():
        network = build_network(timm, classes, 0.0, size, head, pyramid_stride).eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 1, size, size))
    return Cost(
        sum(weights.numel() for weights in network.parameters()),
        sum(tensor.nbytes for tensor in network.state_dict().values()) / 1e6,
        # The counter counts a multiply-add as two operations.
        counter.get_total_flops() // 2,
    )
