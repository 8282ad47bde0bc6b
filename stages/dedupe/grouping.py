"""Duplicate groups, and which member of each is kept."""

import pandas as pd

from stages.groups import components
from stages.hashes import near_pairs

# Whoever is kept stands for the group: the official test set stays whole.
OFFICIAL_ORDER = {"test": 0, "val": 1, "train": 2, "": 3}


def find_duplicates(images: pd.DataFrame, distance: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Group the usable images whose hashes are near, and choose what to keep.

    A group of one class keeps one image: of the official test set first, then the labelled, the
    largest, the first by name. A group with two or more classes keeps none: at least one of its
    labels is wrong, and nobody here can say which.

    Args:
        images: table `Images`, usable rows only, `label` = class; index 0 to N-1.
        distance: largest number of bits, of 256, between near duplicates.

    Returns:
        table `Duplicates`, and the pairs: `first`, `second` (row numbers), `distance`.
    """
    pairs = near_pairs(images["phash"].tolist(), distance)
    component = components(len(images), pairs[:, :2])
    order = pd.DataFrame(
        {
            "component": component,
            "official": images["official_split"].map(OFFICIAL_ORDER),
            "unlabelled": images["label"] == "",
            "pixels": -images["width"] * images["height"],
            "image": images["image"],
        }
    ).sort_values(["component", "official", "unlabelled", "pixels", "image"])
    keeper = images.index.to_series(index=images.index)
    keeper[order.index] = order.index.to_series().groupby(order["component"]).transform("first")

    by_component = images.groupby(component)
    classes = images["label"].where(images["label"] != "").groupby(component).transform("nunique")
    kept = images["image"].loc[keeper].to_numpy()
    same_file = images["sha256"].to_numpy() == images["sha256"].loc[keeper].to_numpy()
    reason = pd.Series("near", images.index).mask(same_file, "exact")
    reason = reason.mask(images["image"] == kept, "kept").mask(classes > 1, "conflict")
    table = pd.DataFrame(
        {
            "image": images["image"],
            "group": by_component["image"].transform("min"),
            "keep": reason == "kept",
            "reason": reason,
            "of": pd.Series(kept, images.index).mask(images["image"] == kept, ""),
            "distance": hash_distance(images["phash"], images["phash"].loc[keeper]),
        }
    )
    table["distance"] = table["distance"].where(table["of"] != "", -1)
    return table, pd.DataFrame(pairs, columns=["first", "second", "distance"])


def hash_distance(first: pd.Series, second: pd.Series) -> list[int]:
    """Bits that differ between hexadecimal hashes, pair by pair."""
    return [(int(a, 16) ^ int(b, 16)).bit_count() for a, b in zip(first, second, strict=True)]
