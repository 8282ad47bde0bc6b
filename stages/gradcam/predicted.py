"""What the network makes of each image, from predictions.csv or asked anew."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from cxr.models import model as models
from cxr.models.calibration import probabilities
from cxr.models.model import Card
from cxr.pipeline.cli import UserError


def check(predictions: pd.DataFrame, card: Card) -> None:
    """Refuse predictions of a network with other classes.

    Raises:
        UserError: if they are.
    """
    if [name for name in predictions if name.startswith("p_")] != columns(card):
        raise UserError(
            "predictions.csv is not of this network, whose classes are "
            f"{', '.join(card.classes)}: run `dvc repro`."
        )


def predicted(
    images: pd.DataFrame,
    predictions: pd.DataFrame,
    network: nn.Module,
    card: Card,
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
    believed = predictions.set_index("image")[columns(card)].reindex(images["image"]).to_numpy()
    new = np.isnan(believed).any(axis=1)
    logits = models.logits(network, card, pixels, images["row"].to_numpy()[new])
    believed = np.where(new[:, None], 0.0, believed)
    believed[new] = probabilities(logits, card.temperature)
    best, each = believed.argmax(1), np.arange(len(images))
    actual = pd.Index(card.classes).get_indexer(images["target"])
    return images.assign(
        predicted=np.array(card.classes)[best],
        correct=actual == best,
        p_target=np.where(actual >= 0, believed[each, actual], np.nan),
        p_predicted=believed[each, best],
    )


def columns(card: Card) -> list[str]:
    """The columns of predictions.csv for this network."""
    return [f"p_{name}" for name in card.classes]
