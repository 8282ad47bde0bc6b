"""Pretrained weights and where they come from: timm, the Hugging Face hub, or a file."""

import json
import logging
import re
import reprlib
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import huggingface_hub
import timm
from pydantic import Field, TypeAdapter
from safetensors import safe_open
from timm.models import load_model_config_from_hf, load_state_dict, load_state_dict_from_hf
from torch import Tensor

from cxr.models.info import ModelInfo
from cxr.models.networks import size_options
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import sha256
from stages.train.convert_weights import Normalization, StateDict

HUB = "hf-hub:"
"""Begins the name of weights on the Hugging Face hub, as in timm."""
MEANS = TypeAdapter(list[Annotated[float, Field(ge=0, le=1, strict=True)]])
STDS = TypeAdapter(list[Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)]])
"""Means and standard deviations of the channels of an input, as fractions of white."""
# Colour codes for terminals in torch's messages.
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Pretrained:
    """Pretrained weights, under their original names.

    Attributes:
        origin: as recorded in the model's description; without a path.
        info: description, if the file is a model of this project.
        mean, std: of the input that they expect, as JSON; "" if that is not known.
    """

    state: StateDict
    origin: str
    info: ModelInfo | None = None
    mean: str = ""
    std: str = ""


def imagenet_weights(info: ModelInfo) -> Pretrained:
    """Get ImageNet weights from timm's cache or its hub.

    Raises:
        UserError: if timm has none for this network, or they cannot be downloaded.
    """
    config = timm.get_pretrained_cfg(info.timm)
    if config is None or not config.has_weights:
        raise UserError(
            f"timm has no ImageNet weights for {info.timm}: use scratch or the path of a file."
        )
    print(f"loading the ImageNet weights of {info.timm} ({config.hf_hub_id})", flush=True)
    prepare_hub()
    try:
        reference = timm.create_model(
            info.timm, pretrained=True, **size_options(info.timm, info.size)
        )
    # The type of the error depends on how timm downloads the file.
    except Exception as error:
        raise UserError(
            f"the ImageNet weights of {info.timm} cannot be downloaded "
            f"({type(error).__name__}): download model.safetensors of {config.hf_hub_id} on a "
            "machine with an internet connection, and set weights to its path."
        ) from error
    return Pretrained(reference.state_dict(), f"imagenet {config.tag}")


def hub_weights(weights: str) -> Pretrained:
    """Get the weights of a repository on the Hugging Face hub, or from its client's cache.

    The repository has the format of timm: the weights as .safetensors, or as a state dict that is
    read without executing any code in it, and a config.json with the normalization.

    Args:
        weights: hf-hub:owner/name, optionally followed by @revision.

    Raises:
        UserError: if they cannot be loaded, or the repository has none.
    """
    print(f"loading {weights}", flush=True)
    prepare_hub()
    try:
        config = load_model_config_from_hf(weights.removeprefix(HUB))[0]
        state = load_state_dict_from_hf(weights.removeprefix(HUB), weights_only=True)
    # The type of the error depends on what fails: network, name, format.
    except Exception as error:
        raise UserError(
            f"{weights} cannot be loaded ({type(error).__name__}): check the name at "
            f"{huggingface_hub.constants.ENDPOINT} and the internet connection, or download "
            "model.safetensors on another machine, and set weights to its path."
        ) from error
    mean, std = (json.dumps(config[key]) if key in config else "" for key in ("mean", "std"))
    return Pretrained(state, weights, mean=mean, std=std)


def prepare_hub() -> None:
    """Stop the hub's client from retrying for a long time, and from printing."""
    if not hub_reachable():
        # Otherwise it retries for almost a minute, even if the weights are in the cache.
        huggingface_hub.constants.HF_HUB_OFFLINE = True
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


def hub_reachable() -> bool:
    """Whether timm's hub answers a single request."""
    try:
        huggingface_hub.get_session().head(huggingface_hub.constants.ENDPOINT, timeout=10)
    # The type of the error depends on what fails: name resolution, proxy, route.
    except Exception:
        return False
    return True


def read_weights(path: Path) -> Pretrained:
    """Read a .safetensors file or a .pth state dict, without executing any code in it.

    Raises:
        UserError: if the file is missing or contains no weights.
    """
    if not path.is_file():
        raise UserError(
            f"there is no file {path}: give scratch, imagenet, hf-hub:owner/name or the path of a "
            ".safetensors or .pth file (an absolute one for queued experiments)."
        )
    try:
        if path.suffix != ".safetensors":
            check_start(path)
        state = unwrap(load_state_dict(str(path), weights_only=True))
        metadata = read_metadata(path) if path.suffix == ".safetensors" else {}
        info = ModelInfo(**json.loads(about)) if (about := metadata.get("model_info")) else None
    # The type of the error depends on the content of the file.
    except Exception as error:
        reason = ANSI.sub("", str(error)).split(". ")[0]
        raise UserError(
            f"{path} contains no plain weights "
            f"({textwrap.shorten(reason, 160, placeholder=' …')}): save only the state dict, "
            "preferably as .safetensors."
        ) from error
    mean, std = (metadata.get(key, "") for key in ("mean", "std"))
    return Pretrained(state, f"{path.name} sha256:{sha256(path)}", info, mean, std)


def check_start(path: Path) -> None:
    """Check that a file starts like those of torch.save: as a ZIP archive or, if old, a pickle.

    The unpickler would read text as instructions, and its errors would mislead.

    Raises:
        ValueError: if not.
    """
    with path.open("rb") as file:
        if not file.read(2).startswith((b"PK", b"\x80")):
            raise ValueError("it is not a weights file")


def unwrap(content: dict[str, Any]) -> StateDict:
    """Find the state dict in what a training script saved: the dictionary with the most tensors.

    Raises:
        ValueError: if there is no tensor.
    """
    places = [content, *(value for value in content.values() if isinstance(value, dict))]
    found = [{key: t for key, t in place.items() if isinstance(t, Tensor)} for place in places]
    state = max(found, key=len)
    if not state:
        raise ValueError("no tensors")
    return state


def read_metadata(path: Path) -> dict[str, str]:
    """Read what a .safetensors file says about its weights, each entry as JSON.

    `model_info` describes a model of this project; `mean` and `std` are the normalization that the
    weights expect, see `read_normalization`.
    """
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}


def read_normalization(pretrained: Pretrained, weights: str, channels: int) -> Normalization | None:
    """Read the mean and the standard deviation of an input of so many channels, if they are known.

    Args:
        weights: its name, for the error message.

    Raises:
        UserError: unless each is a list of one number, or of one for each channel, as fractions of
            white.
    """
    if not pretrained.mean and not pretrained.std:
        return None
    try:
        means, stds = MEANS.validate_json(pretrained.mean), STDS.validate_json(pretrained.std)
        if not {len(means), len(stds)} <= {1, channels}:
            raise ValueError("numbers of other channels")
    except ValueError as error:
        count = "one number" if channels == 1 else f"one number, or of {channels},"
        raise UserError(
            f"{weights} says in its metadata that its input has mean "
            f"{reprlib.repr(pretrained.mean)} and std {reprlib.repr(pretrained.std)}: give each as "
            f"a list of {count} in fractions of white, with mean from 0 to 1 and std above 0, such "
            "as [0.5] and [0.25]."
        ) from error
    return means, stds
