"""Networks: built by name, kept in a folder that describes itself, applied to images."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import cxr.models.simple_cnn  # noqa: F401  (registers the network with timm)
from cxr.pipeline.cli import UserError
from cxr.pipeline.params import Prepare, nearest

FILE = "model.safetensors"


@dataclass(frozen=True)
class Card:
    """What a model folder says of its network: enough to use it without the project.

    Attributes:
        architecture: this project's name of it; `timm`: the timm library's name.
        classes: in the order of the outputs.
        size: side in pixels of the square, one-channel input.
        mean, std: of the input as a share of full white (0 to 1), for normalisation.
        weights: what training began from.
        precision: fp32, or bf16 where that was faster: of training; all else is in fp32.
        temperature: logits are divided by it before softmax (Guo et al. 2017).
        thresholds: for each class its probability in the validation images that are of it,
            ascending: `cxr.models.calibration.threshold` reads off the one for a sensitivity.
        prepare: settings under `prepare` by which files became images of this size.
    """

    architecture: str
    timm: str
    classes: list[str]
    size: int
    mean: float
    std: float
    weights: str = "scratch"
    precision: str = "fp32"
    temperature: float = 1.0
    thresholds: dict[str, list[float]] = field(default_factory=dict)
    prepare: dict[str, Any] = field(default_factory=dict)


def build(name: str, classes: int, drop_rate: float = 0.0, size: int | None = None) -> nn.Module:
    """Build a timm network with one input channel and random weights.

    Args:
        size: side in pixels of its input, for networks that are built for one size.

    Raises:
        UserError: if timm has no network of this name.
    """
    if not timm.is_model(name):
        raise UserError(
            f"params.yaml: architectures: timm has no model '{name}'"
            f"{nearest(name, timm.list_models())}"
        )
    model: nn.Module = timm.create_model(
        name, in_chans=1, num_classes=classes, drop_rate=drop_rate, **options(name, size)
    )
    classifier = model.get_classifier()  # type: ignore[operator]
    if isinstance(classifier, nn.Linear):
        # As in torchvision's MobileNets. timm's for that family, made for 1,000 classes, begins
        # with a loss of 10 where there are three.
        nn.init.normal_(classifier.weight, std=0.01)
        nn.init.zeros_(classifier.bias)
    return model


def options(name: str, size: int | None) -> dict[str, Any]:
    """What timm wants to know of the input: its size, for transformers and others of fixed size."""
    config = timm.get_pretrained_cfg(name)
    fixed = config is not None and config.fixed_input_size
    return {"img_size": size} if fixed and size is not None else {}


def save(model: nn.Module, card: Card, folder: Path) -> None:
    """Write `folder`/model.safetensors: all tensors on the CPU, the card in the metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()
    }
    save_file(tensors, folder / FILE, metadata={"card": json.dumps(asdict(card), sort_keys=True)})


def load(folder: Path) -> tuple[nn.Module, Card]:
    """Build the network that a folder describes, with its weights, ready for inference.

    Raises:
        UserError: if the folder holds no model of this project.
    """
    path = folder / FILE
    try:
        with safe_open(path, framework="pt") as file:
            card = Card(**json.loads(file.metadata()["card"]))
    except Exception as error:
        raise UserError(
            f"{path} is no model of this project: train one with `dvc repro`."
        ) from error
    model = build(card.timm, len(card.classes), size=card.size)
    model.load_state_dict(load_file(path))
    return model.eval(), card


def prepare_settings(card: Card) -> Prepare:
    """How the images were prepared that a network was trained on.

    Raises:
        UserError: if its model folder does not say.
    """
    try:
        return Prepare(side=card.size, backend="threading", **card.prepare)
    except ValidationError as error:
        raise UserError(
            f"the model {card.architecture} does not say how its images were prepared: "
            "train it again with `dvc repro`."
        ) from error


def device() -> torch.device:
    """The GPU if there is one, else the CPU; whoever computes on it asks here first."""
    # fp32 is to be fp32 in convolutions too; TF32, cuDNN's default, keeps 10 of the 23 bits.
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def normalised(images: Tensor, card: Card) -> Tensor:
    """Grey images as the network wants them.

    Args:
        images: uint8 (N, S, S), on any device.

    Returns:
        float32 (N, 1, S, S), on the same device, channels last.
    """
    scaled = images.unsqueeze(1).to(torch.float32).div_(255).sub_(card.mean).div_(card.std)
    return scaled.contiguous(memory_format=torch.channels_last)


def to_input(pixels: NDArray[np.uint8], card: Card, target: torch.device) -> Tensor:
    """Grey images from the pixel array, on a device and normalised.

    Args:
        pixels: uint8 (N, S, S).

    Returns:
        float32 (N, 1, S, S) on `target`, normalised, channels last.
    """
    return normalised(torch.from_numpy(np.ascontiguousarray(pixels)).to(target), card)


def logits(
    model: nn.Module,
    card: Card,
    pixels: NDArray[np.uint8],
    rows: NDArray[np.int64],
    batch_size: int = 64,
) -> NDArray[np.float32]:
    """Apply a network to rows of the pixel array, in fp32.

    Args:
        pixels: uint8 (images, S, S), may be memory-mapped.
        rows: int (N,), which images.

    Returns:
        float32 (N, classes), before softmax and temperature.
    """
    target = device()
    # Outside inference_mode, in which moved weights could never be trained again.
    model = model.to(target, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    # On the device until the end: to fetch a batch's result is to wait for it.
    with torch.inference_mode():
        batches = [
            model(to_input(pixels[rows[start : start + batch_size]], card, target)).float()
            for start in range(0, len(rows), batch_size)
        ]
    if not batches:
        return np.empty((0, len(card.classes)), np.float32)
    return torch.cat(batches).cpu().numpy()


def logits_and_features(
    model: nn.Module, card: Card, pixels: NDArray[np.uint8], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What `logits` gives, and what enters the network's last layer.

    Returns:
        float32 (N, classes) and (N, features).
    """
    entered: list[Tensor] = []
    last: nn.Module = model.get_classifier()  # type: ignore[operator]
    handle = last.register_forward_pre_hook(
        lambda _, inputs: entered.append(inputs[0].flatten(1).float())
    )
    try:
        scores = logits(model, card, pixels, rows)
    finally:
        handle.remove()
    return scores, torch.cat(entered).cpu().numpy()
