"""The leak gate: nothing of a training image may stand on the test or the validation side."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.duplicates.pairs import twins
from cxr.pipeline.cli import UserError
from cxr.pipeline.params import Dedupe

SHOWN = 5


def leaks(
    images: pd.DataFrame, pixels: NDArray[np.uint8], settings: Dedupe
) -> dict[str, list[tuple[str, str]]]:
    """Pairs of images on two sides that share what must not be shared.

    Everything is looked up afresh: nothing that assigned the sides is trusted.

    Args:
        images: with `image`, `row`, `patient`, `split_group`, `sha256`, `phash` and `split`.
        pixels: uint8 (rows, S, S).
        settings: what counts as a near duplicate.

    Returns:
        for patient, group, sha256 and near: pairs of image names.
    """
    images = images[images["split"] != ""].reset_index(drop=True)
    found = {key: shared(images, key) for key in ("patient", "split_group", "sha256")}
    pairs = twins(images, pixels, settings)
    first, second = (images.loc[pairs[side]].reset_index() for side in ("first", "second"))
    apart = (first["split"] != second["split"]).to_numpy()
    found["near"] = list(zip(first["image"][apart], second["image"][apart], strict=True))
    return found


def shared(images: pd.DataFrame, key: str) -> list[tuple[str, str]]:
    """For each value of a column that stands on two sides, one image of each."""
    known = images[images[key] != ""].drop_duplicates([key, "split"])
    several = known[known[key].duplicated(keep=False)].groupby(key)["image"]
    return [(names.iloc[0], names.iloc[1]) for _, names in several]


def check_leaks(found: dict[str, list[tuple[str, str]]]) -> dict[str, int]:
    """Stop at the first kind of leak; else return the counts, all 0.

    Raises:
        UserError: naming up to five pairs of images.
    """
    for kind, pairs in found.items():
        if pairs:
            named = "; ".join(f"{first} and {second}" for first, second in pairs[:SHOWN])
            raise UserError(
                f"leak: {len(pairs)} pairs of images on two sides share their {kind}: {named}. "
                "This is a mistake in the pipeline or in an edited table: remove data/split.csv "
                "and data/duplicates.csv and run `dvc repro` again."
            )
    return dict.fromkeys(found, 0)


def check_classes(fate: pd.DataFrame, test_sources: list[str]) -> None:
    """Stop if a class is missing on a side.

    Args:
        fate: number of images by class (rows) and what became of them (columns).
        test_sources: the parameter `split.test_sources`, which may be why.

    Raises:
        UserError: naming the class and what became of its images.
    """
    classes = [label for label in fate.index if label]
    if len(classes) < 2:
        raise UserError(
            f"there is nothing to tell apart: the labels give {len(classes)} class(es)"
            f"{': ' + classes[0] if classes else ''}. See `labels:` in params.yaml."
        )
    for label, counts in fate.iterrows():
        if label and (counts[["train", "val", "test"]] == 0).any():
            remedy = (
                "Choose other split.test_sources"
                if test_sources
                else "Add images, lower split.folds"
            )
            became = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
            raise UserError(
                f"class '{label}' can't stand in train, val and test: of its {counts.sum()} images "
                f"{became or 'none'}. {remedy}, or map the label to another class or to none "
                "under `labels:` (of a union: `union.labels:`) in params.yaml."
            )
