"""Predictions of all images, from predictions.csv or computed here."""

import numpy as np
import pandas as pd

from cxr.heatmaps.explainer import Images
from cxr.models.classifier import Classifier
from cxr.pipeline.errors import UserError
from cxr.pipeline.tables import class_indices


def check_classes(predictions: pd.DataFrame, classes: list[str]) -> None:
    """Check that the predictions are for the classes of the network.

    Raises:
        UserError: if they are not.
    """
    if [name for name in predictions if name.startswith("p_")] != prob_columns(classes):
        raise UserError(
            "predictions.csv was not written for this network, whose classes are "
            f"{', '.join(classes)}: run `dvc repro`."
        )


def add_predictions(
    images: pd.DataFrame, predictions: pd.DataFrame, classifier: Classifier, pixels: Images
) -> pd.DataFrame:
    """Add the predicted classes to a table of images.

    Args:
        images: with `image`, `row` and `target` (empty: unknown).
        predictions: table `Predictions`. The network is applied to images that are not in it, such
            as those of training.
        pixels: uint8 (M, S, S), may be memory-mapped.

    Returns:
        the images with `predicted`, `correct`, and the calibrated probabilities `p_target` and
        `p_predicted` of the true and of the predicted class (`correct` is False and `p_target` NaN
        where the true class is unknown).
    """
    classes = classifier.info.classes
    probs = predictions.set_index("image")[prob_columns(classes)].reindex(images["image"])
    probs = probs.to_numpy(copy=True)
    missing = np.isnan(probs).any(axis=1)
    probs[missing] = classifier.probs(pixels, images["row"].to_numpy()[missing])
    predicted, positions = probs.argmax(1), np.arange(len(images))
    target = class_indices(images["target"], classes)
    return images.assign(
        predicted=np.array(classes)[predicted],
        correct=target == predicted,
        p_target=np.where(target >= 0, probs[positions, target], np.nan),
        p_predicted=probs[positions, predicted],
    )


def prob_columns(classes: list[str]) -> list[str]:
    """Return the columns of predictions.csv that hold probabilities."""
    return [f"p_{name}" for name in classes]
