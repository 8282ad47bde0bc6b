"""What of an image is left when the disease is taken out of it, as numbers for a classifier."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from cxr.metrics.classification import Floats, Labels
from cxr.models.ood import downsample

THUMBNAIL = 8
"""Side in pixels: too few for any sign of disease but a large, dense one."""
BORDER = 0.1
"""Width of the border, as a share of the image's side."""
BORDER_GRID = 40
"""Side of the reduced image from which the border is cut."""


def file_facts(images: pd.DataFrame) -> Floats:
    """Format and mode (one column for each), width, height and aspect, (N, columns).

    Args:
        images: with the columns of `cxr.pipeline.tables.Images`.
    """
    kinds = pd.get_dummies(images[["format", "mode"]]).to_numpy(np.float64)
    width, height = images["width"].to_numpy(float), images["height"].to_numpy(float)
    return np.column_stack([kinds, width, height, width / height])


def thumbnails(pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> Floats:
    """The images at 8 x 8 pixels, float (N, 64), 0 to 255."""
    return downsample(pixels, rows, THUMBNAIL).reshape(len(rows), -1)


def borders(pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> Floats:
    """The outer tenth of the images, reduced to a 40th of the side, float (N, 576)."""
    width = round(BORDER * BORDER_GRID)
    edge = np.ones((BORDER_GRID, BORDER_GRID), bool)
    edge[width:-width, width:-width] = False
    return downsample(pixels, rows, BORDER_GRID)[:, edge]


def blanked(images: NDArray[np.uint8], where: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Images with a part replaced by each image's mean grey; both (N, S, S)."""
    mean = images.mean(axis=(1, 2), keepdims=True).round().astype(np.uint8)
    return np.where(where, mean, images)


def learn(features: Floats, labels: Labels, train: NDArray[np.bool_], seed: int) -> Floats:
    """Train a random forest on the training images and ask it about all others.

    Args:
        features: (N, F).
        labels: (N,), numbers of classes; all of them among the training images.
        train: (N,).

    Returns:
        (images that are not for training, classes), probabilities.
    """
    forest = RandomForestClassifier(
        n_estimators=200, min_samples_leaf=3, class_weight="balanced", random_state=seed
    )
    forest.fit(features[train], labels[train])
    probabilities: Floats = forest.predict_proba(features[~train])
    return probabilities
