"""What training begins from: chance, ImageNet through timm, or a file."""

import json
import logging
import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import huggingface_hub
import timm
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from cxr.models.classifier import Classifier
from cxr.models.info import ModelInfo
from cxr.models.networks import size_options
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import sha256
from stages.train.adapt import State, channels, renamed, tensors, to_grey

WRAPPERS = ("state_dict", "model", "model_state_dict")
PREFIXES = ("module", "model", "backbone", "encoder")

UNREADABLE = (
    SafetensorError,
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    TypeError,  # another project's "model_info" in the metadata
)


@dataclass(frozen=True)
class Pretrained:
    """Weights that were found, under the names they came with.

    Attributes:
        origin: as recorded in the model's description; without a path.
        info: description, if the file is a model of this project.
    """

    state: State
    origin: str
    info: ModelInfo | None = None


def load_initial_weights(classifier: Classifier, weights: str) -> None:
    """Load the weights that `train.weights` asks for into a randomly initialized network.

    The network is changed in place. Its description gets the origin of the weights and the
    normalization that they expect.

    Args:
        weights: scratch, imagenet or the path of a .safetensors or .pth file.

    Raises:
        UserError: if the weights are not available or do not fit the network.
    """
    if weights == "scratch":
        return
    model, info = classifier.network, classifier.info
    found = imagenet(info) if weights == "imagenet" else read(Path(weights))
    state = found.state
    if len(state.keys() & tensors(model).keys()) < len(tensors(model)) / 2:
        state = renamed(state, model)
    if found.info is not None:
        mean, std = found.info.mean, found.info.std
        if found.info.classes != info.classes:
            state = {name: state[name] for name in state if name not in head_tensors(model)}
    elif channels(state, model) == 3:
        state, mean, std = to_grey(state, model)
    else:
        mean, std = info.mean, info.std
    load(model, state, found.origin, info.timm)
    classifier.info = replace(info, mean=mean, std=std, weights=found.origin)


def imagenet(info: ModelInfo) -> Pretrained:
    """ImageNet weights from timm's cache, or the network.

    Raises:
        UserError: if timm has none for this network, or they can't be downloaded.
    """
    config = timm.get_pretrained_cfg(info.timm)
    if config is None or not config.has_weights:
        raise UserError(
            f"train.weights: there are no ImageNet weights for {info.timm}: "
            "use scratch or the path of a file."
        )
    print(f"fetching the ImageNet weights of {info.timm} ({config.hf_hub_id})", flush=True)
    if not reachable():
        # Else it tries for most of a minute, even where the weights are in its cache.
        huggingface_hub.constants.HF_HUB_OFFLINE = True
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        reference = timm.create_model(
            info.timm, pretrained=True, **size_options(info.timm, info.size)
        )
    # Which error it is depends on the way that timm gets the file.
    except Exception as error:
        raise UserError(
            f"train.weights: the ImageNet weights of {info.timm} can't be downloaded "
            f"({type(error).__name__}): get model.safetensors of {config.hf_hub_id} where there is "
            "a network, and set train.weights to its path."
        ) from error
    return Pretrained(reference.state_dict(), f"imagenet {config.tag}")


def reachable() -> bool:
    """Whether the place that timm downloads from answers, asked once."""
    try:
        huggingface_hub.get_session().head(huggingface_hub.constants.ENDPOINT, timeout=10)
    # Which error it is depends on what is missing: name server, proxy, route.
    except Exception:
        return False
    return True


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
        state, info = (
            read_safetensors(path) if path.suffix == ".safetensors" else (read_pth(path), None)
        )
    except UNREADABLE as error:
        raise UserError(
            f"train.weights: {path} holds no plain weights "
            f"({' '.join(str(error).split())[:120]}): save the state dict alone, "
            "best as .safetensors."
        ) from error
    return Pretrained(state, f"{path.name} sha256:{sha256(path)}", info)


def read_safetensors(path: Path) -> tuple[State, ModelInfo | None]:
    """The tensors, and the description if it is a model of this project."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        info = ModelInfo(**json.loads(metadata["model_info"])) if "model_info" in metadata else None
        return {name: file.get_tensor(name) for name in file.keys()}, info  # noqa: SIM118


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
    left = [key for key in wanted if key not in fitting]
    unused = [key for key in state if key not in fitting and "num_batches_tracked" not in key]
    if len(fitting) < len(wanted) / 2:
        raise UserError(
            f"train.weights: {origin.split()[0]} fits {len(fitting)} of the {len(wanted)} tensors "
            f"of {name}: these are another network's weights (params.yaml: model)."
        )
    model.load_state_dict(fitting, strict=False)
    print(
        f"weights from {origin}: {len(fitting)} of {len(wanted)} tensors; "
        f"left as initialised: {', '.join(left) or 'none'}; "
        f"not used: {', '.join(unused) or 'none'}"
    )


def matching(state: State, model: nn.Module) -> State:
    """The part of a state that has the names and shapes of the network."""
    return {
        name: state[name]
        for name, tensor in tensors(model).items()
        if name in state and state[name].shape == tensor.shape
    }


def head_tensors(model: nn.Module) -> list[str]:
    """Names of the tensors of the last layer."""
    last: nn.Module = model.get_classifier()  # type: ignore[operator]
    prefix = next(name for name, module in model.named_modules() if module is last)
    return [f"{prefix}.{name}" for name in last.state_dict()]
