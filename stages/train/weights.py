"""What training begins from: chance, ImageNet through timm, or a file."""

import hashlib
import json
import pickle
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from stages.command import UserError
from stages.models import Card

State = dict[str, Tensor]
WRAPPERS = ("state_dict", "model", "model_state_dict")
PREFIXES = ("module", "model", "backbone", "encoder")


@dataclass(frozen=True)
class Pretrained:
    """Weights that were found, under the names they came with.

    Attributes:
        origin: what the model card says; no path.
        card: of a model of this project, else None.
    """

    state: State
    origin: str
    card: Card | None = None


def start(model: nn.Module, card: Card, weights: str) -> Card:
    """Give a randomly initialised network the weights that `train.weights` asks for.

    Args:
        model: built by `stages.models.build`; changed in place.
        card: its card, with the normalisation for training from scratch.
        weights: scratch, imagenet or the path of a .safetensors or .pth file.

    Returns:
        the card, with the origin of the weights and the normalisation that they expect.

    Raises:
        UserError: if the weights can't be had, or are not for this network.
    """
    if weights == "scratch":
        return card
    found = imagenet(card) if weights == "imagenet" else read(Path(weights))
    state = found.state
    if len(matching(state, model)) < len(tensors(model)) / 2:
        state = renamed(state, model)
    if found.card is not None:
        mean, std = found.card.mean, found.card.std
        if found.card.classes != card.classes:
            state = {name: state[name] for name in state if name not in classifier(model)}
    elif channels(state, model) == 3:
        state, mean, std = to_grey(state, model)
    else:
        mean, std = card.mean, card.std
    load(model, state, found.origin, card.timm)
    return replace(card, mean=mean, std=std, weights=found.origin)


def imagenet(card: Card) -> Pretrained:
    """ImageNet weights from timm's cache, or the network.

    Raises:
        UserError: if timm has none for this network, or they can't be downloaded.
    """
    config = timm.get_pretrained_cfg(card.timm)
    if config is None or not config.has_weights:
        raise UserError(
            f"train.weights: there are no ImageNet weights for {card.timm}: "
            "use scratch or the path of a file."
        )
    try:
        reference = timm.create_model(card.timm, pretrained=True)
    # Which error it is depends on the way that timm gets the file.
    except Exception as error:
        raise UserError(
            f"train.weights: the ImageNet weights of {card.timm} can't be downloaded "
            f"({type(error).__name__}): get model.safetensors of {config.hf_hub_id} where there is "
            "a network, and set train.weights to its path."
        ) from error
    return Pretrained(reference.state_dict(), f"imagenet {config.tag}")


def read(path: Path) -> Pretrained:
    """Read a .safetensors file or a .pth state dict; nothing in it is ever executed.

    Raises:
        UserError: if the file is missing or holds no weights.
    """
    if not path.is_file():
        raise UserError(
            f"train.weights: there is no file {path}: give scratch, imagenet or the path of a "
            ".safetensors or .pth file (absolute for queued experiments)."
        )
    try:
        state, card = (
            read_safetensors(path) if path.suffix == ".safetensors" else (read_pth(path), None)
        )
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise UserError(
            f"train.weights: {path} holds no plain weights "
            f"({' '.join(str(error).split())[:120]}): save the state dict alone, "
            "best as .safetensors."
        ) from error
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Pretrained(state, f"{path.name} sha256:{digest}", card)


def read_safetensors(path: Path) -> tuple[State, Card | None]:
    """The tensors, and the card if it is a model of this project."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        card = Card(**json.loads(metadata["card"])) if "card" in metadata else None
        return {name: file.get_tensor(name) for name in file.keys()}, card  # noqa: SIM118


def read_pth(path: Path) -> State:
    """The state dict in a .pth file, without what training scripts wrap around it.

    Raises:
        ValueError: if there is none.
    """
    content: Any = torch.load(path, map_location="cpu", weights_only=True)
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content:
        raise ValueError("no state dict")
    state = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    first = {name.split(".")[0] for name in state}
    if len(first) == 1 and (prefix := first.pop()) in PREFIXES:
        state = {name.removeprefix(f"{prefix}."): value for name, value in state.items()}
    return state


def load(model: nn.Module, state: State, origin: str, name: str) -> None:
    """Load what fits, and say what was loaded and what was not.

    Raises:
        UserError: if less than half of the network would be loaded.
    """
    fitting, wanted = matching(state, model), tensors(model)
    left = sorted(set(wanted) - set(fitting))
    unused = sorted(set(state) - set(model.state_dict()) | set(state) - set(fitting))
    unused = [key for key in unused if not key.endswith("num_batches_tracked")]
    if len(fitting) < len(wanted) / 2:
        raise UserError(
            f"train.weights: {origin.split()[0]} fits {len(fitting)} of the {len(wanted)} tensors "
            f"of {name} (model) only: it is another network's."
        )
    model.load_state_dict(fitting, strict=False)
    print(
        f"weights from {origin}: {len(fitting)} of {len(wanted)} tensors; "
        f"left as initialised: {', '.join(left) or 'none'}; "
        f"not used: {', '.join(unused) or 'none'}"
    )


def tensors(model: nn.Module) -> State:
    """Parameters and statistics of a network, without the counters of batch normalisation."""
    return {
        name: tensor
        for name, tensor in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def matching(state: State, model: nn.Module) -> State:
    """The part of a state with the names and shapes of the network (the stem may be RGB)."""
    rgb = stem(model)[0] + ".weight"
    return {
        name: state[name]
        for name, tensor in tensors(model).items()
        if name in state
        and (state[name].shape == tensor.shape or (name == rgb and state[name].shape[1] == 3))
    }


def classifier(model: nn.Module) -> list[str]:
    """Names of the tensors of the last layer."""
    last: nn.Module = model.get_classifier()  # type: ignore[operator]
    prefix = next(name for name, module in model.named_modules() if module is last)
    return [f"{prefix}.{name}" for name in last.state_dict()]


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
    modules = [item for item in model.named_modules() if not list(item[1].children())]
    place = [item[0] for item in modules].index(name)
    for following, module in modules[place + 1 :]:
        if isinstance(module, nn.BatchNorm2d):
            return following
        if isinstance(module, nn.Conv2d):
            return None
    return None


def renamed(state: State, model: nn.Module) -> State:
    """Give the tensors timm's names, if it is the same network under other names.

    torchvision's networks have the layers of timm's in the same order. So both are listed layer
    by layer; where each pair has the same tensors of the same shapes (the stem's channels and
    the classifier aside), the names of the one are given to the other. Otherwise, the state is
    returned as it is.
    """
    ours, theirs = layers(tensors(model)), layers(state)
    # A file keeps no order: layers are numbered in their names, and the classifier is last.
    order = sorted(theirs, key=lambda name: ("classifier" in name, numbered(name)))
    if len(ours) != len(theirs):
        return state
    last = len(ours) - 1
    result: State = {}
    for place, (our, their) in enumerate(zip(ours, order, strict=True)):
        if set(ours[our]) != set(theirs[their]):
            return state
        for leaf, tensor in ours[our].items():
            given = theirs[their][leaf]
            # A dense layer is a convolution of one pixel.
            if given.dim() == 2 and tensor.dim() == 4:
                given = given[:, :, None, None]
            free = 1 if place == 0 else 0
            if place != last and given.dim() == tensor.dim() and free and given.dim() == 4:
                same = given.shape[0] == tensor.shape[0] and given.shape[2:] == tensor.shape[2:]
            else:
                same = place == last or given.shape == tensor.shape
            if not same:
                return state
            result[f"{our}.{leaf}"] = given
    return result


def layers(state: State) -> dict[str, State]:
    """Tensors by layer: {layer: {weight: ..., bias: ...}}, in the order of the state."""
    grouped: dict[str, State] = {}
    for name, tensor in state.items():
        layer, leaf = name.rsplit(".", 1)
        if leaf != "num_batches_tracked":
            grouped.setdefault(layer, {})[leaf] = tensor
    return grouped


def numbered(name: str) -> list[tuple[bool, int, str]]:
    """A sort key by which layer 10 comes after layer 9."""
    return [
        (part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"\.", name)
    ]
