"""A moving average of a network's weights."""

import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn


class MovingAverage(ModelEmaV3):
    """timm's moving average, in a copy of the network (`module`) that is not trained.

    timm's own lists all tensors of both networks again in every step, and copies the counters of
    batch norm one by one. On a GPU, that takes as long as much of the step.

    Args:
        decay: per update; lower in the first ones.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(model, decay, use_warmup=True)
        self.requires_grad_(False)
        self.averages: dict[bool, list[Tensor]] = {}
        self.weights: dict[bool, list[Tensor]] = {}

    def apply_update_(self, model: nn.Module, decay: float) -> None:
        """Move the average towards the weights. `update` calls it, without gradients."""
        if not self.averages:
            # Not earlier: only now has everything reached its device, where it stays.
            for network, tensors in ((self.module, self.averages), (model, self.weights)):
                state = network.state_dict().values()
                for floating in (True, False):
                    tensors[floating] = [t for t in state if t.is_floating_point() == floating]
        torch._foreach_lerp_(self.averages[True], self.weights[True], weight=1.0 - decay)
        if self.averages[False]:
            torch._foreach_copy_(self.averages[False], self.weights[False])
