"""How fast heatmaps and predictions are, side by side in one run: images/s.

    python -m benchmarks.gradcam [--models resnet18 ...] [--size 224] [--images 96] [--device cpu]

For each network: the heatmaps as the stage computes them, beside pytorch-grad-cam on the whole
network, one image at a time (as in its examples) and in the same batches, with the largest
difference between the maps; and `Classifier.logits` from a memory-mapped array beside the
network alone on a batch that is on the device already (the ceiling). The variants take turns,
because the speed of a shared machine drifts.
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

from benchmarks.train import build, draw, report, synchronise
from cxr.heatmaps.explainer import BATCH_SIZE, Explainer, explain_rows
from cxr.models.classifier import Classifier
from cxr.models.devices import default_device
from cxr.pipeline.params import load

INFERENCE_BATCH = 64


def main() -> None:
    """Read the command line, measure, print two tables for each network."""
    options = arguments()
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    params = load(Path("params.yaml"))
    print(f"{options.size} px, {torch.get_num_threads()} threads, {options.repeats} turns")
    print("images/s (share of first)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = draw(folder, options.images, options.size, options.size).rows
        pixels = np.load(folder / "pixels.npy", mmap_mode="r")
        classes = np.arange(len(rows)) % 2
        for model in options.models:
            classifier, _ = build(params, model, options.size)
            explain = Explainer(classifier, "GradCAM")
            library = Library(classifier, explain.layer)
            same = (pixels, rows, classes)
            one_by_one, ours = library.maps(*same, 1), explain_rows(explain, *same)
            away = np.abs(one_by_one - ours).max()
            report(
                f"{model}: heatmaps, {explain.height} x {explain.width} (at most {away:.0e} apart)",
                {
                    "one by one": partial(timed, partial(library.maps, *same, 1), rows),
                    "in batches": partial(timed, partial(library.maps, *same, BATCH_SIZE), rows),
                    "this": partial(timed, partial(explain_rows, explain, *same), rows),
                },
                options.repeats,
            )
            report(
                f"{model}: inference",
                {
                    "ceiling": partial(ceiling, classifier, pixels, rows),
                    "logits": partial(timed, partial(classifier.logits, pixels, rows), rows),
                },
                options.repeats,
            )


def arguments() -> argparse.Namespace:
    """The command line."""
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
        # A copy, whose hooks slow nothing else.
        own = deepcopy(classifier.network).eval()
        self.cam = GradCAM(own, target_layers=[own.get_submodule(layer)])

    def maps(
        self,
        pixels: NDArray[np.uint8],
        rows: NDArray[np.int64],
        classes: NDArray[np.int64],
        batch: int,
    ) -> NDArray[np.float32]:
        """Maps (N, S, S), computed so many images at a time."""
        found = []
        for start in range(0, len(rows), batch):
            part = slice(start, start + batch)
            inputs = self.classifier.to_input(pixels[rows[part]])
            found.append(self.cam(inputs, [ClassifierOutputTarget(c) for c in classes[part]]))
        return np.concatenate(found)


def timed(work: Callable[[], object], rows: NDArray[np.int64]) -> list[float]:
    """Images/s."""
    started = time.perf_counter()
    work()
    synchronise(default_device())
    return [len(rows) / (time.perf_counter() - started)]


def ceiling(
    classifier: Classifier, pixels: NDArray[np.uint8], rows: NDArray[np.int64]
) -> list[float]:
    """Images/s of the network alone, on a batch that is on the device already."""
    batch = classifier.to_input(pixels[rows[:INFERENCE_BATCH]])
    with torch.inference_mode():
        return timed(
            lambda: [classifier.network(batch) for _ in range(len(rows) // INFERENCE_BATCH)],
            rows[: len(rows) // INFERENCE_BATCH * INFERENCE_BATCH],
        )


if __name__ == "__main__":
    main()
