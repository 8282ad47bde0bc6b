"""Conversion of pretrained weights: layer names of other libraries, RGB input to grey."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

StateDict = dict[str, Tensor]

# torchvision's published DenseNets: denselayer1.norm.1.weight is denselayer1.norm1.weight today.
OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")


def float_tensors(model: nn.Module) -> StateDict:
    """Return a network's parameters and buffers, without the batch counters of batch norm."""
    return {
        name: tensor
        for name, tensor in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def stem(model: nn.Module) -> tuple[str, nn.Conv2d]:
    """Return the first convolution, with its name."""
    return next(
        (name, module) for name, module in model.named_modules() if isinstance(module, nn.Conv2d)
    )


def input_channels(state: StateDict, model: nn.Module) -> int:
    """Return how many input channels the weights expect; 0 if they have no stem."""
    weight = state.get(stem(model)[0] + ".weight")
    return 0 if weight is None else weight.shape[1]


Normalization = tuple[Sequence[float], Sequence[float]]
"""Mean and standard deviation of each input channel, or one for all, as fractions of white."""


def rgb_to_grey(
    state: StateDict, model: nn.Module, normalization: Normalization | None = None
) -> tuple[StateDict, float, float]:
    """Convert an RGB network to one that computes the same from a single grey channel.

    With the same grey g in all channels, an RGB stem sees (g - mean_c) / std_c. Expressed with a
    single mean M and std S, its response is that of the weights sum_c W_c S / std_c to (g - M) / S,
    plus sum_c W_c (M - mean_c) / std_c. The latter is a constant for each filter. It is added to
    the stem's bias, or subtracted from the running mean of the batch norm that follows. The result
    is exact except for the outermost pixels: padding is 0 in both cases, which means M in one and
    mean_c in the other.

    Args:
        state: has the network's tensors, with a stem for RGB.
        normalization: of the weights' input; that of timm's own weights if not given.

    Returns:
        the state dict, M and S (as fractions of white).
    """
    config: dict[str, Any] = model.pretrained_cfg  # type: ignore[assignment]
    means, stds = (
        torch.tensor(values).expand(3)
        for values in normalization or (config["mean"], config["std"])
    )
    mean, std = means.mean(), stds.mean()
    name, layer = stem(model)
    rgb = state[f"{name}.weight"].float()
    grey = (rgb * (std / stds).view(1, 3, 1, 1)).sum(1, keepdim=True)
    constant = (rgb.sum((2, 3)) * ((mean - means) / stds)).sum(1)
    changed = {f"{name}.weight": grey}
    if layer.bias is not None:
        changed[f"{name}.bias"] = state[f"{name}.bias"] + constant
    elif (norm := following_batchnorm(model, name)) is not None:
        changed[f"{norm}.running_mean"] = state[f"{norm}.running_mean"] - constant
    return {**state, **changed}, mean.item(), std.item()


def following_batchnorm(model: nn.Module, convolution: str) -> str | None:
    """Return the name of the batch norm that directly follows a convolution, if there is one."""
    # timm's batch norm is a subclass that contains its activation.
    modules = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d)
    ]
    index = [name for name, _ in modules].index(convolution)
    following = modules[index + 1 : index + 2]
    return next((name for name, module in following if isinstance(module, nn.BatchNorm2d)), None)


def fit_names(state: StateDict, model: nn.Module) -> StateDict:
    """Rename tensors to the network's names: remove the prefixes that training scripts add.

    Of all prefixes in the file, such as `module.model.`, the one with which most tensors match is
    removed. Tensors without it keep their names.
    """
    wanted = float_tensors(model)
    state = {OLD_DENSENET.sub(r"\1\2.", name): tensor for name, tensor in state.items()}
    best, most = state, matches(state, wanted)
    for prefix in common_prefixes(state, len(wanted) // 2):
        inside = {
            name.removeprefix(prefix): tensor
            for name, tensor in state.items()
            if name.startswith(prefix)
        }
        others = {name: state[name] for name in state if not name.startswith(prefix)}
        for named in (inside, rename_to_timm(inside, model)):
            if (count := matches(named, wanted)) > most:
                best, most = {**others, **named}, count
    return best


def matches(state: StateDict, wanted: StateDict) -> int:
    """How many of the wanted tensors the weights have, by name and shape."""
    return sum(
        name in state and compatible_shapes(state[name], tensor) for name, tensor in wanted.items()
    )


def common_prefixes(state: StateDict, least: int) -> list[str]:
    """Prefixes, up to a dot, that at least `least` names share; the shortest first."""
    counts = Counter(
        name[:end]
        for name in state
        for end in (0, *(dot.end() for dot in re.finditer(r"\.", name)))
    )
    return sorted(
        (prefix for prefix, count in counts.items() if count >= least),
        key=lambda prefix: prefix.count("."),
    )


def rename_to_timm(state: StateDict, model: nn.Module) -> StateDict:
    """Give the tensors timm's names, if they are those of the same network in another library.

    torchvision's networks have the same layers as timm's in the same order. Both are listed layer
    by layer. If all pairs have tensors of the same kind and shape (except in the last layer), they
    are renamed. Otherwise the state dict is returned unchanged.
    """
    our_layers, their_layers = group_by_layer(float_tensors(model)), group_by_layer(state)
    if len(their_layers) > len(our_layers):
        return state
    # The order in a file is arbitrary. Layer names contain numbers; the classifier is last.
    their_names = sorted(
        their_layers, key=lambda name: ("classifier" in name, natural_sort_key(name))
    )
    last_layer = list(our_layers)[-1]
    renamed: StateDict = {}
    for our_name, their_name in zip(our_layers, their_names, strict=False):
        for leaf, ours in our_layers[our_name].items():
            theirs = their_layers[their_name].get(leaf)
            if theirs is None:
                return state
            if theirs.dim() == 2 and ours.dim() == 4:
                # A dense layer is a convolution of 1 x 1 pixels.
                theirs = theirs[:, :, None, None]
            if our_name != last_layer and not compatible_shapes(theirs, ours):
                return state
            renamed[f"{our_name}.{leaf}"] = theirs
    return renamed


def compatible_shapes(theirs: Tensor, ours: Tensor) -> bool:
    """Whether two weights have the same shape, except for RGB input instead of grey."""
    return theirs.shape == ours.shape or (
        theirs.dim() == ours.dim() == 4
        and (theirs.shape[1], ours.shape[1]) == (3, 1)
        and (theirs.shape[0], *theirs.shape[2:]) == (ours.shape[0], *ours.shape[2:])
    )


def group_by_layer(state: StateDict) -> dict[str, StateDict]:
    """Group tensors as {layer: {weight: ..., bias: ...}}, in the order of the state dict."""
    layers: dict[str, StateDict] = {}
    for name, tensor in state.items():
        layer, _, leaf = name.rpartition(".")
        if leaf != "num_batches_tracked":
            layers.setdefault(layer, {})[leaf] = tensor
    return layers


def natural_sort_key(name: str) -> list[tuple[bool, int, str]]:
    """Sort key that puts layer 10 after layer 9."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in name.split(".")]
