"""What a saved model says about itself; reading it needs no torch, whose import takes seconds."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from safetensors import safe_open

from cxr.pipeline.errors import UserError
from cxr.pipeline.params import PYRAMID_STRIDE, Prepare

if TYPE_CHECKING:
    from torch import Tensor

MODEL_FILE = "model.safetensors"


@dataclass(frozen=True)
class ModelInfo:
    """Everything that is needed to use a saved network without the rest of the project.

    Attributes:
        architecture: this project's name for it.
        timm: the timm library's name for it.
        classes: class names, in the order of the outputs.
        size: side length in pixels of the square, one-channel input.
        mean, std: for normalization, as fractions of white (0 to 1).
        head, pyramid_stride: what classifies the features, see `build_network`.
        weights: the initial weights of training: scratch, an ImageNet tag, or a file with its hash.
        precision: fp32 or bf16, in training; inference is always in fp32.
        temperature: divisor of the logits before the softmax (Guo et al. 2017).
        validation_probs: for each class, its calibrated probability in each validation image of
            that class, ascending. Operating points are read off these.
        prepare: the settings under `prepare` with which files became images of this size.
        mirrored: whether images were mirrored at random in training.
        test_time_flip: whether the logits are the mean of those of an image and its mirror image.
        parameters: number of trainable weights, counted when the model is saved.
    """

    architecture: str
    timm: str
    classes: list[str]
    size: int
    mean: float
    std: float
    head: str = "pooled"
    weights: str = "scratch"
    precision: str = "fp32"
    temperature: float = 1.0
    validation_probs: dict[str, list[float]] = field(default_factory=dict)
    prepare: dict[str, Any] = field(default_factory=dict)
    parameters: int = 0
    pyramid_stride: int = PYRAMID_STRIDE
    mirrored: bool = False
    test_time_flip: bool = False

    def normalize(self, images: "Tensor") -> "Tensor":
        """Turn grey images into network inputs.

        Args:
            images: uint8 (N, S, S), on any device.

        Returns:
            float32 (N, 1, S, S), on the same device, channels last.
        """
        import torch

        scaled = images.unsqueeze(1).to(torch.float32).div_(255).sub_(self.mean).div_(self.std)
        return scaled.contiguous(memory_format=torch.channels_last)

    def prepare_settings(self) -> Prepare:
        """Return the settings with which the training images were prepared.

        Raises:
            UserError: if the model does not record them.
        """
        try:
            return Prepare(image_size=self.size, backend="threading", **self.prepare)
        except ValidationError as error:
            raise UserError(
                f"the model {self.architecture} does not record how its images were prepared: "
                "train it again with `dvc repro`."
            ) from error


def read_info(folder: Path) -> ModelInfo:
    """Read a saved model's description, without its weights.

    Raises:
        UserError: if the folder holds no model of this project.
    """
    path = folder / MODEL_FILE
    if not path.is_file():
        raise UserError(f"there is no model in {folder}: train one with `dvc repro`.")
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata()
        return ModelInfo(**json.loads(metadata["model_info"]))
    except Exception as error:
        raise UserError(
            f"{path} is not a model of this project: train one with `dvc repro`."
        ) from error
