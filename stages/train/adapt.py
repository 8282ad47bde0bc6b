"""Weights made for another layout: other names for the layers, RGB instead of grey."""

from typing import Any

import torch
from torch import Tensor, nn

State = dict[str, Tensor]


def tensors(model: nn.Module) -> State:
    """Parameters and statistics of a network, without the counters of batch normalisation."""
    return {
        name: tensor
        for name, tensor in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def stem(model: nn.Module) -> tuple[str, nn.Conv2d]:
    """The first convolution, and its name."""
    return next(
        (name, module) for name, module in model.named_modules() if isinstance(module, nn.Conv2d)
    )


def channels(state: State, model: nn.Module) -> int:
    """Input channels that the weights expect; 0 if they have no stem."""
    weight = state.get(stem(model)[0] + ".weight")
    return 0 if weight is None else weight.shape[1]


def to_grey(state: State, model: nn.Module) -> tuple[State, float, float]:
    """Make an RGB network take one grey channel and compute the same.

    With the grey g in all channels, an RGB stem sees (g - mean_c) / std_c. Written with one
    mean M and std S, its response is that of the weight sum_c W_c S / std_c on (g - M) / S, plus
    sum_c W_c (M - mean_c) / std_c, a constant for each filter, which goes into the stem's bias
    or the running mean of the batch normalisation behind it. Exact but for the outermost
    pixels, where padding is 0 in both but means M in one and mean_c in the other.

    Returns:
        the state, M and S (as shares of full white).
    """
    config: dict[str, Any] = model.pretrained_cfg  # type: ignore[assignment]
    means, stds = torch.tensor(config["mean"]), torch.tensor(config["std"])
    mean, std = means.mean(), stds.mean()
    name, layer = stem(model)
    rgb = state[f"{name}.weight"].float()
    grey = (rgb * (std / stds).view(1, 3, 1, 1)).sum(1, keepdim=True)
    constant = (rgb.sum((2, 3)) * ((mean - means) / stds)).sum(1)
    changed = {f"{name}.weight": grey}
    if layer.bias is not None:
        changed[f"{name}.bias"] = state[f"{name}.bias"] + constant
    elif (norm := norm_after(model, name)) is not None:
        changed[f"{norm}.running_mean"] = state[f"{norm}.running_mean"] - constant
    return {**state, **changed}, mean.item(), std.item()


def norm_after(model: nn.Module, name: str) -> str | None:
    """Name of the batch normalisation that follows a convolution, if one does."""
    # timm's own batch normalisation is one too, and holds its activation as a child.
    modules = [
        (one, module)
        for one, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d)
    ]
    place = [one for one, _ in modules].index(name)
    following = modules[place + 1 : place + 2]
    return next((one for one, module in following if isinstance(module, nn.BatchNorm2d)), None)


def renamed(state: State, model: nn.Module) -> State:
    """Give the tensors timm's names, if it is the same network under other names.

    torchvision's networks have the layers of timm's in the same order. So both are listed layer
    by layer; if all pairs have the same tensors of the same shapes (the classifier aside), the
    names of the one are given to the other. Otherwise, the state is returned as it is.
    """
    ours, theirs = layers(tensors(model)), layers(state)
    if len(theirs) > len(ours):
        return state
    # A file keeps no order: layers are numbered in their names, and the classifier is last.
    order = sorted(theirs, key=lambda name: ("classifier" in name, numbered(name)))
    last = list(ours)[-1]
    result: State = {}
    for our, their in zip(ours, order, strict=False):
        for leaf, wanted in ours[our].items():
            given = theirs[their].get(leaf)
            if given is None:
                return state
            if given.dim() == 2 and wanted.dim() == 4:
                # A dense layer is a convolution of one pixel.
                given = given[:, :, None, None]
            if our != last and not alike(given, wanted):
                return state
            result[f"{our}.{leaf}"] = given
    return result


def alike(given: Tensor, wanted: Tensor) -> bool:
    """Whether two weights have the same shape, or one takes RGB where the other takes grey."""
    return given.shape == wanted.shape or (
        given.dim() == 4
        and (given.shape[1], wanted.shape[1]) == (3, 1)
        and (given.shape[0], *given.shape[2:]) == (wanted.shape[0], *wanted.shape[2:])
    )


def layers(state: State) -> dict[str, State]:
    """Tensors by layer: {layer: {weight: ..., bias: ...}}, in the order of the state."""
    grouped: dict[str, State] = {}
    for name, tensor in state.items():
        layer, _, leaf = name.rpartition(".")
        if leaf != "num_batches_tracked":
            grouped.setdefault(layer, {})[leaf] = tensor
    return grouped


def numbered(name: str) -> list[tuple[bool, int, str]]:
    """A sort key by which layer 10 comes after layer 9."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in name.split(".")]
