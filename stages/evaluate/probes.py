"""Inputs of the shortcut probes, which hold no sign of disease, and the classifier on them."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from cxr.images.border import border_mask
from cxr.metrics.classification import Floats, Labels
from cxr.models.ood import downsample

THUMBNAIL_SIDE = 8
"""In pixels: too few for any sign of disease but a large, dense opacity."""
BORDER_IMAGE_SIDE = 40
"""In pixels, of the downsampled image whose border is used."""


def file_features(images: pd.DataFrame) -> Floats:
    """Format and mode (one-hot), width, height and aspect ratio, (N, columns).

    Args:
        images: with the columns of `cxr.pipeline.tables.Images`.
    """
    one_hot = pd.get_dummies(images[["format", "mode"]]).to_numpy(np.float64)
    width, height = images["width"].to_numpy(float), images["height"].to_numpy(float)
    return np.column_stack([one_hot, width, height, width / height])


def thumbnails(pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> Floats:
    """The images at 8 x 8 pixels, (N, 64), grey levels from 0 to 255."""
    return downsample(pixels, rows, THUMBNAIL_SIDE).reshape(len(rows), -1)


def borders(pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> Floats:
    """The border of the images at 40 x 40 pixels, (N, 576), grey levels from 0 to 255."""
    return downsample(pixels, rows, BORDER_IMAGE_SIDE)[:, border_mask(BORDER_IMAGE_SIDE)]


def blank(images: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Replace the pixels in `mask` by the image's mean grey level; both (N, S, S)."""
    mean = images.mean(axis=(1, 2), keepdims=True).round().astype(np.uint8)
    return np.where(mask, mean, images)


def predict_with_forest(
    features: Floats, labels: Labels, train: NDArray[np.bool_], seed: int
) -> Floats:
    """Fit a random forest on the training images and apply it to all others.

    Args:
        features: (N, F).
        labels: (N,), class indices; every class occurs among the training images.
        train: (N,), which images are for training.

    Returns:
        probabilities, (images that are not for training, classes).
    """
    forest = RandomForestClassifier(
        n_estimators=200, min_samples_leaf=3, class_weight="balanced", random_state=seed
    )
    forest.fit(features[train], labels[train])
    probs: Floats = forest.predict_proba(features[~train])
    return probs
