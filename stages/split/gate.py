"""The leak gate: nothing of a training image may stand on the test or the validation side."""

import pandas as pd

from stages.command import UserError
from stages.hashes import near_pairs

SHOWN = 5


def leaks(images: pd.DataFrame, distance: int) -> dict[str, list[tuple[str, str]]]:
    """Pairs of images on two sides that share what must not be shared.

    Everything is looked up afresh: nothing that assigned the sides is trusted.

    Args:
        images: with `image`, `patient`, `group`, `sha256`, `phash` and `split`.
        distance: largest number of bits between near duplicates.

    Returns:
        for patient, group, sha256 and near: pairs of image names.
    """
    images = images[images["split"] != ""].reset_index(drop=True)
    found = {key: shared(images, key) for key in ("patient", "group", "sha256")}
    near = near_pairs(images["phash"].tolist(), distance)
    found["near"] = [
        (images.at[first, "image"], images.at[second, "image"])
        for first, second, _ in near
        if images.at[first, "split"] != images.at[second, "split"]
    ]
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


def check_classes(fate: pd.DataFrame) -> None:
    """Stop if a class is missing on a side.

    Args:
        fate: number of images by class (rows) and what became of them (columns).

    Raises:
        UserError: naming the class and what became of its images.
    """
    for label, counts in fate.iterrows():
        if label and (counts[["train", "val", "test"]] == 0).any():
            became = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
            raise UserError(
                f"class '{label}' can't stand in train, val and test: of its {counts.sum()} images "
                f"{became or 'none'}. Add images, lower split.folds, or map the label to another "
                "class under `labels:` in params.yaml."
            )
