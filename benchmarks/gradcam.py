"""Speed of heatmaps and predictions in images/s, compared with pytorch-grad-cam in the same run.

    python -m benchmarks.gradcam [--models resnet18 ...] [--size 224] [--images 96] [--device cpu]

For each network, this compares the heatmaps of the gradcam stage with pytorch-grad-cam on the whole
network, one image at a time (as in its examples) and in the same batches, and prints the largest
difference between the maps. It also compares `Classifier.logits`, which reads a memory-mapped
array, with the network alone on a batch that is on the device (the ceiling). The variants take
turns, because the speed of a shared machine drifts.
"""

from cxr.pipeline.environment import configure

configure()

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from benchmarks.steps import build, synchronize
from benchmarks.train import compare, write_images
from cxr.heatmaps.explainer import BATCH_SIZE, Explainer, explain_rows
from cxr.models.classifier import Classifier
from cxr.models.devices import default_device
from cxr.pipeline.params import load

INFERENCE_BATCH_SIZE = 64


def main() -> None:
    """Read the command line, measure, print two tables for each network."""
    options = parse_arguments()
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    params = load(Path("params.yaml"))
    print(f"{options.size} px, {torch.get_num_threads()} threads, {options.repeats} turns")
    print("images/s (relative to the first)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = write_images(folder, options.images, options.size, options.size).rows
        pixels = np.load(folder / "pixels.npy", mmap_mode="r")
        classes = np.arange(len(rows)) % 2
        for model in options.models:
            classifier, _ = build(params, model, options.size)
            explain = Explainer(classifier, "GradCAM")
            library = Library(classifier, explain.layer)
            images = (pixels, rows, classes)
            difference = library.maps(*images, 1) - explain_rows(explain, *images)
            compare(
                f"{model}: heatmaps of {explain.height} x {explain.width} cells "
                f"(largest difference {np.abs(difference).max():.0e})",
                {
                    "one by one": partial(timed, partial(library.maps, *images, 1), rows),
                    "in batches": partial(timed, partial(library.maps, *images, BATCH_SIZE), rows),
                    "this project": partial(timed, partial(explain_rows, explain, *images), rows),
                },
                options.repeats,
            )
            compare(
                f"{model}: inference",
                {
                    "ceiling": partial(ceiling, classifier, pixels, rows),
                    "logits": partial(timed, partial(classifier.logits, pixels, rows), rows),
                },
                options.repeats,
            )


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--models", nargs="+", default=["resnet18", "mobilenetv2"])
    parser.add_argument("--size", type=int, default=224, help="pixels")
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", choices=["auto", "cpu"], default="auto")
    return parser.parse_args()


class Library:
    """pytorch-grad-cam on the whole network."""

    def __init__(self, classifier: Classifier, layer: str) -> None:
        self.classifier = classifier
        # A copy, so that the hooks do not slow down the other variants.
        network = deepcopy(classifier.network).eval()
        self.cam = GradCAM(network, target_layers=[network.get_submodule(layer)])

    def maps(
        self,
        pixels: NDArray[np.uint8],
        rows: NDArray[np.int64],
        classes: NDArray[np.int64],
        batch_size: int,
    ) -> NDArray[np.float32]:
        """Compute maps (N, S, S) in batches."""
        maps = []
        for start in range(0, len(rows), batch_size):
            batch = slice(start, start + batch_size)
            inputs = self.classifier.to_input(pixels[rows[batch]])
            targets = [ClassifierOutputTarget(index) for index in classes[batch]]
            maps.append(self.cam(inputs, targets))
        return np.concatenate(maps)


def timed(work: Callable[[], object], rows: NDArray[np.int64]) -> list[float]:
    """Measure images/s of some work."""
    started = time.perf_counter()
    work()
    synchronize(default_device())
    return [len(rows) / (time.perf_counter() - started)]


def ceiling(
    classifier: Classifier, pixels: NDArray[np.uint8], rows: NDArray[np.int64]
) -> list[float]:
    """Measure images/s of the network alone, on a batch that is on the device."""
    batch = classifier.to_input(pixels[rows[:INFERENCE_BATCH_SIZE]])
    with torch.inference_mode():
        return timed(
            lambda: [classifier.network(batch) for _ in range(len(rows) // INFERENCE_BATCH_SIZE)],
            rows[: len(rows) // INFERENCE_BATCH_SIZE * INFERENCE_BATCH_SIZE],
        )


if __name__ == "__main__":
    main()
