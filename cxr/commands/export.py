"""`cxr export`: a trained network as one ONNX file, for programs without PyTorch.

The input is 8-bit grey squares, as `prepare` makes them; the outputs are logits and calibrated
probabilities. Normalization, temperature and, with `test_time_flip`, the pass of the mirror image
are part of the file, and its metadata describe the model.
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

from cxr.models.classifier import Classifier
from cxr.models.info import ModelInfo
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import atomic_write

TOLERANCE = 1e-4
"""Largest accepted difference from PyTorch, in logits and probabilities."""
INPUT = (
    "images: uint8 (N, {size}, {size}), grey, 0 = black; each X-ray upright, cropped or padded to "
    "a square and resized by area averaging, as stages/prepare does"
)


class InferenceModel(nn.Module):
    """A network with normalization and calibration: 8-bit squares to probabilities."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.network = classifier.network  # Registers the parameters.
        self.classifier = classifier

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (N, S, S) to logits and calibrated probabilities, float32 (N, classes)."""
        info = self.classifier.info
        logits = self.classifier.apply(info.normalize(images))
        return logits, torch.softmax(logits / info.temperature, dim=1)


def export_folder(folder: Path, path: Path) -> None:
    """Export the network of a model folder, and print what was written."""
    classifier = Classifier.load(folder)
    info = classifier.info
    difference = export_onnx(classifier, path)
    print(
        f"{path}: {info.architecture} (timm: {info.timm}); {INPUT.format(size=info.size)}. "
        f"Largest difference from PyTorch: {difference:.1e} (accepted: {TOLERANCE:.0e})."
    )


def export_onnx(classifier: Classifier, path: Path) -> float:
    """Write the ONNX file, and check that it computes the same as PyTorch.

    Returns:
        the largest difference between the outputs, on images of noise.

    Raises:
        UserError: if it is too large, or the network can't be exported. Nothing is written then.
    """
    model, info = InferenceModel(classifier).eval(), classifier.info
    images = torch.from_numpy(noise_images(info.size))
    with atomic_write(path) as part:
        try:
            trace(model, images, part)
        # The type of the error depends on the operation that ONNX lacks.
        except Exception as error:
            raise UserError(
                f"{info.architecture} ({info.timm}) can't be exported to ONNX: "
                f"{' '.join(str(error).split())[:200]}"
            ) from error
        write_metadata(part, info)
        with torch.no_grad():
            expected = [output.numpy() for output in model(images)]
        difference = max(
            float(np.abs(output - reference).max())
            for output, reference in zip(run_onnx(part, images.numpy()), expected, strict=True)
        )
        if not difference <= TOLERANCE:
            raise UserError(
                f"{info.architecture} ({info.timm}): the results of ONNX and PyTorch differ by "
                f"{difference:.1e} (accepted: {TOLERANCE:.0e}). Nothing was written."
            )
    return difference


def noise_images(size: int) -> NDArray[np.uint8]:
    """Three images of noise: uint8 (3, size, size)."""
    return np.random.default_rng(0).integers(0, 256, (3, size, size), np.uint8)


def trace(model: InferenceModel, images: Tensor, path: Path) -> None:
    """Trace the network for any number of images, and write it."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            (images,),
            dynamo=True,
            dynamic_shapes={"images": {0: torch.export.Dim("count")}},
            input_names=["images"],
            output_names=["logits", "probabilities"],
            verbose=False,
        )
    assert program is not None
    program.save(path)


def write_metadata(path: Path, info: ModelInfo) -> None:
    """Write into the file's metadata what a program must know to use it."""
    model = onnx.load(path)
    # The exporter records a line of code for each operation, with its path on this machine.
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input):
        del part.metadata_props[:]
    model.doc_string = "For research. Not for diagnosis."
    onnx.helper.set_model_props(
        model,
        {
            "model_info": json.dumps(asdict(info), sort_keys=True),
            "classes": ", ".join(info.classes),
            "input": INPUT.format(size=info.size),
        },
    )
    onnx.save(model, path)


def run_onnx(path: Path, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Compute logits and probabilities with onnxruntime on the CPU, float32 (N, classes) each."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images})
