"""All measures of heatmaps, computed one batch of images at a time."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.heatmaps.explainer import BATCH_SIZE, Explainer, Images, Maps
from cxr.models.classifier import Classifier
from cxr.pipeline.tables import class_indices
from stages.gradcam.agreement import agreement_scores
from stages.gradcam.faithfulness import faithfulness_scores, make_random_maps
from stages.gradcam.localization import border_scores, floor_maps, region_scores
from stages.gradcam.sampling import name_hash
from stages.gradcam.summary import MEASURES


@dataclass(frozen=True)
class Measurer:
    """Measures the heatmaps of a classifier for the predicted classes.

    Attributes:
        explain_random: explainers of the same architecture with random weights.
        seed: of the random maps.
    """

    classifier: Classifier
    explain: Explainer
    explain_random: list[Explainer]
    seed: int

    def measure(
        self,
        images: pd.DataFrame,
        pixels: Images,
        masks: Images,
        lesions: Images,
        perturbed: int,
    ) -> pd.DataFrame:
        """Compute all measures.

        Args:
            images: with `image`, `row`, `predicted` and `correct`.
            pixels: uint8 (all images, S, S), may be memory-mapped.
            masks: the same, nonzero inside the lungs; of length 0 if there are none.
            lesions: the same, nonzero inside the disease.
            perturbed: how many images, from the first, get the measures that perturb the image or
                the network.

        Returns:
            the images with `empty` (the map is all zero), `perturbed` (bool) and all `MEASURES`.
        """
        first = images.head(perturbed)
        parts = [
            *([self.localization(images, pixels, masks, lesions)] if len(images) else []),
            *(self.perturbation_batch(batch, pixels) for batch in batches(first)),
        ]
        measures = pd.DataFrame(index=images.index, columns=["empty", *MEASURES], dtype=float)
        for part in parts:
            measures.loc[part.index, part.columns] = part.astype(float)
        return images.join(measures).assign(perturbed=np.arange(len(images)) < perturbed)

    def localization(
        self, images: pd.DataFrame, pixels: Images, masks: Images, lesions: Images
    ) -> pd.DataFrame:
        """Measure where the heat lies.

        Maps are computed twice, first for the mean map of the others, so that only those of one
        batch are in memory.
        """
        total = np.zeros(pixels.shape[1:], np.float32)
        for batch in batches(images):
            for heatmap in self.explain(*self.pixels_and_predictions(batch, pixels)):
                total += heatmap
        return pd.concat(
            self.localization_batch(batch, total, pixels, masks, lesions)
            for batch in batches(images)
        )

    def localization_batch(
        self, images: pd.DataFrame, total: Maps, pixels: Images, masks: Images, lesions: Images
    ) -> pd.DataFrame:
        """Measure where the heat lies, given the sum of all maps (S, S)."""
        originals, classes = self.pixels_and_predictions(images, pixels)
        maps, *untrained = (
            explain(originals, classes) for explain in (self.explain, *self.explain_random)
        )
        floors = floor_maps(maps, total, originals, untrained)
        rows = images["row"].to_numpy()
        lungs, disease = (
            masks_of(array, rows, self.classifier.info.size) for array in (masks, lesions)
        )
        # A map for a wrong class has no reason to be at the lesion.
        disease = np.where(images["correct"].to_numpy(bool)[:, None, None], disease, 0)
        scores = [
            region_scores("lesion", maps, floors, disease),
            region_scores("lungs", maps, floors, lungs),
            border_scores(maps),
        ]
        measured = pd.concat(scores, axis=1).assign(empty=~maps.any(axis=(1, 2)))
        return measured.set_index(images.index)

    def perturbation_batch(self, images: pd.DataFrame, pixels: Images) -> pd.DataFrame:
        """Measure how the maps react to changes of the image and of the network."""
        originals, classes = self.pixels_and_predictions(images, pixels)
        info = self.classifier.info
        maps = self.explain(originals, classes)
        seeds = [[self.seed, name_hash(name)] for name in images["image"]]
        random_maps = make_random_maps(seeds, self.explain.height, self.explain.width, info.size)
        agreement = agreement_scores(self.explain, self.explain_random, originals, classes, maps)
        faithfulness = faithfulness_scores(
            partial(self.class_probability, classes=classes),
            *(originals, maps, random_maps, round(info.mean * 255)),
        )
        return agreement.join(faithfulness).set_index(images.index)

    def class_probability(self, images: Images, classes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Compute the calibrated probability of one class in each image, (N,)."""
        return self.classifier.probs(images)[np.arange(len(images)), classes]

    def pixels_and_predictions(
        self, images: pd.DataFrame, pixels: Images
    ) -> tuple[Images, NDArray[np.int64]]:
        """Return the images' pixels (N, S, S) and the indices of their predicted classes."""
        rows, classes = self.rows_and_predictions(images)
        return pixels[rows], classes

    def rows_and_predictions(
        self, images: pd.DataFrame
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the images' rows in the pixel array and the indices of their predicted classes."""
        classes = class_indices(images["predicted"], self.classifier.info.classes)
        return images["row"].to_numpy(), classes


def batches(images: pd.DataFrame) -> list[pd.DataFrame]:
    """Divide a table into batches."""
    return [images.iloc[start : start + BATCH_SIZE] for start in range(0, len(images), BATCH_SIZE)]


def masks_of(masks: Images, rows: NDArray[np.int64], size: int) -> Images:
    """Return the masks of some rows; all zero if the data set has none."""
    return masks[rows] if len(masks) else np.zeros((len(rows), size, size), np.uint8)
