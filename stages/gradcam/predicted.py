"""What the network makes of each image, from predictions.csv or asked anew."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.models.classifier import Classifier
from cxr.models.info import ModelInfo
from cxr.pipeline.errors import UserError
from cxr.pipeline.tables import class_indices


def check(predictions: pd.DataFrame, info: ModelInfo) -> None:
    """Refuse predictions of a network with other classes.

    Raises:
        UserError: if they are.
    """
    if [name for name in predictions if name.startswith("p_")] != columns(info):
        raise UserError(
            "predictions.csv is not of this network, whose classes are "
            f"{', '.join(info.classes)}: run `dvc repro`."
        )


def predicted(
    images: pd.DataFrame,
    predictions: pd.DataFrame,
    classifier: Classifier,
    pixels: NDArray[np.uint8],
) -> pd.DataFrame:
    """The images with what the network makes of them.

    Args:
        images: with `image`, `row` and `target` (empty = unknown).
        predictions: table `Predictions`; images that it lacks, such as those of training, are
            shown to the network.

    Returns:
        the images with `predicted`, `correct`, and `p_target` and `p_predicted`, the calibrated
        probabilities of the true and of the predicted class (NaN and False where the true one is
        unknown).
    """
    info = classifier.info
    probs = predictions.set_index("image")[columns(info)].reindex(images["image"]).to_numpy()
    new = np.isnan(probs).any(axis=1)
    probs = np.where(new[:, None], 0.0, probs)
    probs[new] = classifier.probs(pixels, images["row"].to_numpy()[new])
    best, each = probs.argmax(1), np.arange(len(images))
    actual = class_indices(images["target"], info.classes)
    return images.assign(
        predicted=np.array(info.classes)[best],
        correct=actual == best,
        p_target=np.where(actual >= 0, probs[each, actual], np.nan),
        p_predicted=probs[each, best],
    )


def columns(info: ModelInfo) -> list[str]:
    """The columns of predictions.csv for this network."""
    return [f"p_{name}" for name in info.classes]
