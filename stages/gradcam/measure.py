"""All that is measured of heatmaps, a batch of images at a time."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.heatmaps.explainer import BATCH, Explainer
from cxr.models.classifier import Classifier
from cxr.pipeline.tables import class_indices
from stages.gradcam import agreement, faithfulness, sample, shares
from stages.gradcam.summary import MEASURES


@dataclass(frozen=True)
class Instruments:
    """What is needed to measure: the network, and what explains it.

    Attributes:
        explain_random: each explains the same architecture with other random weights.
        seed: of the random maps.
    """

    classifier: Classifier
    explain: Explainer
    explain_random: list[Explainer]
    seed: int

    def believe(self, images: NDArray[np.uint8], classes: NDArray[np.int64]) -> NDArray[np.float64]:
        """The calibrated probability of a class in each image, (N,)."""
        return self.classifier.probs(images)[np.arange(len(images)), classes]


def measure(
    tools: Instruments,
    images: pd.DataFrame,
    pixels: NDArray[np.uint8],
    masks: NDArray[np.uint8],
    perturbed: int,
) -> pd.DataFrame:
    """Measure the heatmaps for the predicted classes.

    Memory does not grow with the number of images.

    Args:
        images: with `image`, `row` and `predicted`.
        pixels: uint8 (all images, S, S), may be memory-mapped.
        masks: the same, not 0 inside the lungs; of length 0 if there are none.
        perturbed: of how many images, from the first, agreement and faithfulness are measured.

    Returns:
        the images with `empty` (the map is all zero), `perturbed` (bool) and all `MEASURES`.
    """
    batches = [
        located(tools, images.iloc[start : start + BATCH], pixels, masks)
        for start in range(0, len(images), BATCH)
    ]
    few = images.head(perturbed)
    changed = [
        questioned(tools, few.iloc[start : start + BATCH], pixels)
        for start in range(0, len(few), BATCH)
    ]
    columns = ["empty", *MEASURES]
    found = pd.DataFrame(index=images.index, columns=columns, dtype=float)
    for part in (*batches, *changed):
        found.loc[part.index, part.columns] = part.astype(float)
    return images.join(found).assign(perturbed=np.arange(len(images)) < perturbed)


def located(
    tools: Instruments, images: pd.DataFrame, pixels: NDArray[np.uint8], masks: NDArray[np.uint8]
) -> pd.DataFrame:
    """Where the heat lies, in one batch."""
    rows, classes = targets(images, tools.classifier.info.classes)
    maps = tools.explain(pixels[rows], classes)
    found = shares.measure(maps, lungs(masks, rows, tools.classifier.info.size))
    return found.assign(empty=~maps.any(axis=(1, 2))).set_index(images.index)


def questioned(tools: Instruments, images: pd.DataFrame, pixels: NDArray[np.uint8]) -> pd.DataFrame:
    """How the maps of one batch stand up to changes of the image and of the network."""
    rows, classes = targets(images, tools.classifier.info.classes)
    shown = pixels[rows]
    maps = tools.explain(shown, classes)
    seeds = [[tools.seed, sample.number(name)] for name in images["image"]]
    explain, info = tools.explain, tools.classifier.info
    randoms = faithfulness.random_maps(
        seeds, explain.height, explain.width, tools.classifier.info.size
    )
    agreed = agreement.measure(explain, tools.explain_random, shown, classes, maps)
    decided = faithfulness.measure(
        partial(tools.believe, classes=classes),
        *(shown, maps, randoms, round(info.mean * 255)),
    )
    return agreed.join(decided).set_index(images.index)


def targets(
    images: pd.DataFrame, class_names: list[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the images, and the number of the class predicted for each."""
    return images["row"].to_numpy(), class_indices(images["predicted"], class_names)


def lungs(masks: NDArray[np.uint8], rows: NDArray[np.int64], side: int) -> NDArray[np.uint8]:
    """Masks of some rows; all zero if there are none."""
    return masks[rows] if len(masks) else np.zeros((len(rows), side, side), np.uint8)
