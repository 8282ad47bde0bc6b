"""Whether an image looks like those that a network was trained on.

Chests on frontal X-rays all look alike when reduced to 8 x 8 pixels of mean 0 and standard
deviation 1, and little else looks like them. The distance is Mahalanobis' in these 64 numbers, to
the mean of the training images, with the covariance estimated by Ledoit and Wolf (2004, "A
well-conditioned estimator for large-dimensional covariance matrices"). An image is untypical if it
lies farther out than all but `ALARMS` of the validation images: of images like those, at most that
share is called so (split conformal; Bates et al. 2023, "Testing for outliers with conformal
p-values"), or 1 / (their number + 1) where they are too few for that.

How often that is wrong: `python -m benchmarks.predict`. Lee et al. (2018, "A simple unified
framework for detecting out-of-distribution samples") take the network's own features instead,
which here missed nine in ten of images that were upside down and three in four lateral views.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file
from sklearn.covariance import LedoitWolf
from threadpoolctl import threadpool_limits

from cxr.pipeline.cli import UserError

FILE = "typical.safetensors"
SIDE = 8
ALARMS = 0.05

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Typical:
    """What training images look like: `mean` (64,), `precision` (64, 64), largest distance."""

    mean: Floats
    precision: Floats
    threshold: float

    def distances(self, pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> Floats:
        """How far images are from the training images, (N,); above `threshold`: untypical."""
        away = features(pixels, rows) - self.mean
        found: Floats = np.sqrt(np.einsum("ni,ij,nj->n", away, self.precision, away))
        return found


def learn(
    pixels: NDArray[np.uint8], training: NDArray[np.int64], validation: NDArray[np.int64]
) -> Typical:
    """Learn what images look like from rows of the pixels, (N,) and (M,)."""
    # With several threads, sums are taken in an order that changes from run to run.
    with threadpool_limits(1):
        fitted = LedoitWolf().fit(features(pixels, training))
        precision = np.linalg.inv(fitted.covariance_)
        known = Typical(fitted.location_, precision, np.inf)
        return Typical(known.mean, precision, cut(known.distances(pixels, validation)))


def features(pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> Floats:
    """Images at 8 x 8 pixels, each of mean 0 and standard deviation 1, (N, 64)."""
    small = reduced(pixels, rows, SIDE).reshape(len(rows), SIDE * SIDE)
    small -= small.mean(1, keepdims=True)
    # At least a grey level: an even image stays even.
    return small / np.maximum(small.std(1, keepdims=True), 1)


def reduced(pixels: NDArray[np.uint8], rows: NDArray[np.int64], side: int) -> NDArray[np.float64]:
    """Images brought to a small square by area.

    Args:
        pixels: uint8 (images, S, S), may be memory-mapped.
        rows: (N,), which images.

    Returns:
        float64 (N, side, side), 0 to 255.
    """
    small = np.empty((len(rows), side, side))
    for place, row in enumerate(rows):
        small[place] = cv2.resize(
            np.asarray(pixels[row]), (side, side), interpolation=cv2.INTER_AREA
        )
    return small


def cut(distances: Floats) -> float:
    """The distance that a further image of the same kind exceeds with probability `ALARMS`."""
    number = len(distances)
    place = min(int(np.ceil((number + 1) * (1 - ALARMS))), number)
    return float(np.sort(distances)[place - 1])


def save(typical: Typical, folder: Path) -> None:
    """Write `folder`/typical.safetensors."""
    tensors = {"mean": typical.mean, "precision": typical.precision}
    metadata = {"threshold": json.dumps(round(typical.threshold, 6))}
    save_file(tensors, folder / FILE, metadata=metadata)


def load(folder: Path) -> Typical:
    """Read what `save` wrote.

    Raises:
        UserError: if the folder does not have it.
    """
    path = folder / FILE
    try:
        with safe_open(path, framework="numpy") as file:
            threshold = json.loads(file.metadata()["threshold"])
            return Typical(file.get_tensor("mean"), file.get_tensor("precision"), threshold)
    except Exception as error:
        raise UserError(
            f"{path} is missing or damaged: train the network again with `dvc repro`."
        ) from error
