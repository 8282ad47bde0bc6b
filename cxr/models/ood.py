"""Out-of-distribution detection: does an image look like the training images?

Images are reduced to 8 x 8 pixels with mean 0 and standard deviation 1. At this size frontal chest
X-rays resemble each other, and little else resembles them. The score is the Mahalanobis distance of
these 64 numbers to the mean of the training images, with the covariance estimate of Ledoit and Wolf
(2004, "A well-conditioned estimator for large-dimensional covariance matrices"). The threshold
comes from the validation images by split conformal prediction (Bates et al. 2023, "Testing for
outliers with conformal p-values"): of new images of the same kind, at most `FALSE_ALARM_RATE` are
flagged, or 1 / (validation images + 1) where these are too few.

`python -m benchmarks.predict` measures the error rates. Lee et al. (2018, "A simple unified
framework for detecting out-of-distribution samples") use the network's features instead. Here, that
missed nine in ten images that were upside down and three in four lateral views.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file
from sklearn.covariance import LedoitWolf
from threadpoolctl import threadpool_limits

from cxr.pipeline.errors import UserError

DETECTOR_FILE = "ood.safetensors"
THUMBNAIL_SIZE = 8
FALSE_ALARM_RATE = 0.05

Floats = NDArray[np.float64]
Images = NDArray[np.uint8]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class OodDetector:
    """Flags images whose distance to the training images is above `threshold`.

    Attributes:
        mean: (64,), of the training thumbnails.
        precision: (64, 64), inverse of their covariance.
    """

    mean: Floats
    precision: Floats
    threshold: float

    @classmethod
    def fit(cls, images: Images, train_rows: Rows, val_rows: Rows) -> "OodDetector":
        """Estimate the distribution from training images and the threshold from validation images.

        Args:
            images: uint8 (M, S, S), may be memory-mapped.
            train_rows, val_rows: int, which of the images.
        """
        # With several threads, the order of summation changes from run to run.
        with threadpool_limits(1):
            estimate = LedoitWolf().fit(standardized_thumbnails(images, train_rows))
            precision = np.linalg.inv(estimate.covariance_)
            detector = cls(estimate.location_, precision, np.inf)
            distances = detector.distances(images, val_rows)
            return replace(detector, threshold=conformal_threshold(distances))

    def distances(self, images: Images, rows: Rows | None = None) -> Floats:
        """Mahalanobis distances to the training images, (N,).

        Args:
            images: uint8 (M, S, S), may be memory-mapped.
            rows: int (N,), which of the images; all if not given.
        """
        rows = np.arange(len(images)) if rows is None else rows
        offsets = standardized_thumbnails(images, rows) - self.mean
        distances: Floats = np.sqrt(np.einsum("ni,ij,nj->n", offsets, self.precision, offsets))
        return distances

    def save(self, folder: Path) -> None:
        """Write `folder`/ood.safetensors."""
        tensors = {"mean": self.mean, "precision": self.precision}
        metadata = {"threshold": json.dumps(round(self.threshold, 6))}
        save_file(tensors, folder / DETECTOR_FILE, metadata=metadata)

    @classmethod
    def load(cls, folder: Path) -> "OodDetector":
        """Read what `save` wrote.

        Raises:
            UserError: if the file is missing or damaged.
        """
        path = folder / DETECTOR_FILE
        try:
            with safe_open(path, framework="numpy") as file:
                threshold = json.loads(file.metadata()["threshold"])
                return cls(file.get_tensor("mean"), file.get_tensor("precision"), threshold)
        except Exception as error:
            raise UserError(
                f"{path} is missing or damaged: train the network again with `dvc repro`."
            ) from error


def standardized_thumbnails(images: Images, rows: Rows) -> Floats:
    """Images at 8 x 8 pixels, each with mean 0 and standard deviation 1, (N, 64)."""
    small = downsample(images, rows, THUMBNAIL_SIZE).reshape(len(rows), THUMBNAIL_SIZE**2)
    small -= small.mean(1, keepdims=True)
    # At least one grey level, so that a uniform image stays uniform.
    return small / np.maximum(small.std(1, keepdims=True), 1)


def downsample(images: Images, rows: Rows, size: int) -> Floats:
    """Reduce images to small squares by area averaging.

    Args:
        images: uint8 (M, S, S), may be memory-mapped.
        rows: int (N,), which of the images.

    Returns:
        float64 (N, size, size), 0 to 255.
    """
    small = np.empty((len(rows), size, size))
    for index, row in enumerate(rows):
        small[index] = cv2.resize(
            np.asarray(images[row]), (size, size), interpolation=cv2.INTER_AREA
        )
    return small


def conformal_threshold(distances: Floats) -> float:
    """Return the distance that a new image exceeds with a probability of `FALSE_ALARM_RATE`.

    Args:
        distances: (N,), of validation images.
    """
    count = len(distances)
    rank = min(int(np.ceil((count + 1) * (1 - FALSE_ALARM_RATE))), count)
    return float(np.sort(distances)[rank - 1])
