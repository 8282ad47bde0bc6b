"""What a network costs to keep and to run."""

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from cxr.models.networks import build_network


@dataclass(frozen=True)
class Cost:
    """Of one network, in fp32.

    Attributes:
        parameters: weights that are learnt.
        megabytes: of 10^6 bytes, of all that model.safetensors holds.
        multiply_adds: for one image.
    """

    parameters: int
    megabytes: float
    multiply_adds: int


def cost(timm: str, classes: int, size: int) -> Cost:
    """Count a network's weights and operations; nothing is computed.

    Args:
        timm: the timm library's name of it.
        size: side in pixels of its input.
    """
    with torch.device("meta"), torch.inference_mode():
        network = build_network(timm, classes, size=size).eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 1, size, size))
    return Cost(
        sum(weights.numel() for weights in network.parameters()),
        sum(tensor.nbytes for tensor in network.state_dict().values()) / 1e6,
        # It counts a multiplication and an addition as two.
        counter.get_total_flops() // 2,
    )
