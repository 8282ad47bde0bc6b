"""A trained network as one ONNX file, for programs without PyTorch.

The file takes 8-bit grey squares, as `prepare` makes them, and gives logits and calibrated
probabilities; normalisation and temperature are part of it. Its metadata hold the model's card.
"""

import json
import logging
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cxr.models import model as models
from cxr.models.model import Card
from cxr.pipeline.cli import UserError
from cxr.pipeline.files import whole

# Largest difference from PyTorch that is put up with, in logits and probabilities.
TOLERANCE = 1e-4
INPUT = (
    "images: uint8 (N, {size}, {size}), grey, 0 = black; each X-ray upright, cropped or padded to "
    "a square and resized by area averaging, as stages/prepare does"
)


class Whole(nn.Module):
    """A network with all that stands before and behind it: 8-bit squares to probabilities."""

    def __init__(self, network: nn.Module, card: Card) -> None:
        super().__init__()
        self.network = network
        self.card = card

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (N, S, S) to logits and calibrated probabilities, float32 (N, classes)."""
        logits = self.network(models.normalised(images, self.card))
        return logits, torch.softmax(logits / self.card.temperature, dim=1)


def export_folder(folder: Path, path: Path) -> None:
    """Write the network of a model folder, check the file, say what it is."""
    network, card = models.load(folder)
    apart = export(Whole(network, card).eval(), card, path)
    print(
        f"{path}: {card.architecture} (timm {card.timm}), {INPUT.format(size=card.size)}. "
        f"Within {apart:.1e} of PyTorch (at most {TOLERANCE:.0e} is allowed)."
    )


def export(network: Whole, card: Card, path: Path) -> float:
    """Write the ONNX file, if it computes the same.

    Returns:
        the largest difference from PyTorch, on images of noise.

    Raises:
        UserError: if it is too large, or the network can't be written as ONNX.
    """
    images = torch.from_numpy(noise(card.size))
    with whole(path) as part:
        try:
            write(network, images, part)
        # Which error it is depends on the operation that ONNX lacks.
        except Exception as error:
            raise UserError(
                f"{card.architecture} ({card.timm}) can't be written as ONNX: "
                f"{' '.join(str(error).split())[:200]}"
            ) from error
        describe(part, card)
        with torch.no_grad():
            wanted = [output.numpy() for output in network(images)]
        apart = max(
            float(np.abs(given - right).max())
            for given, right in zip(run(part, images.numpy()), wanted, strict=True)
        )
        if not apart <= TOLERANCE:
            raise UserError(
                f"{card.architecture} ({card.timm}) gives other results as ONNX: they differ by "
                f"{apart:.1e}, more than {TOLERANCE:.0e}. Nothing was written."
            )
    return apart


def noise(size: int) -> NDArray[np.uint8]:
    """Three images of noise: uint8 (3, size, size)."""
    return np.random.default_rng(0).integers(0, 256, (3, size, size), np.uint8)


def write(network: Whole, images: Tensor, path: Path) -> None:
    """Trace the network, for any number of images."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (images,),
            dynamo=True,
            dynamic_shapes={"images": {0: torch.export.Dim("count")}},
            input_names=["images"],
            output_names=["logits", "probabilities"],
            verbose=False,
        )
    assert program is not None
    program.save(path)


def describe(path: Path, card: Card) -> None:
    """Write into the file's metadata what a program must know to use it."""
    model = onnx.load(path)
    # The exporter notes for each operation the line of code, with the path on this machine.
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input):
        del part.metadata_props[:]
    model.doc_string = "For research. Not for diagnosis."
    onnx.helper.set_model_props(
        model,
        {
            "card": json.dumps(asdict(card), sort_keys=True),
            "classes": ", ".join(card.classes),
            "input": INPUT.format(size=card.size),
        },
    )
    onnx.save(model, path)


def run(path: Path, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Logits and probabilities by onnxruntime, on the CPU."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images})
