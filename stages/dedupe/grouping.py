"""Duplicate groups, and which member of each is kept."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

from cxr.duplicates.groups import components

# Whoever is kept stands for the group: the official test set stays whole.
OFFICIAL_ORDER = {"test": 0, "val": 1, "train": 2, "": 3}


def group_duplicates(
    images: pd.DataFrame, pairs: NDArray[np.int64], drop_conflicts: bool
) -> pd.DataFrame:
    """Group images joined by pairs, and choose which member of each group to keep.

    A group keeps one image: of the official test set first, then the labelled, the largest, the
    first by name. A group with two or more classes keeps none if `drop_conflicts`: at least one
    of its labels is wrong, and nobody here can say which.

    Args:
        images: table `Images`, usable rows only, `target` = class; index 0 to N-1.
        pairs: int (P, 2), positions of images that show the same picture.

    Returns:
        table `Duplicates`.
    """
    component = components(len(images), pairs)
    order = pd.DataFrame(
        {
            "component": component,
            "official": images["official_split"].map(OFFICIAL_ORDER),
            "unlabelled": images["target"] == "",
            "pixels": -images["width"] * images["height"],
            "image": images["image"],
        }
    ).sort_values(["component", "official", "unlabelled", "pixels", "image"])
    keeper = images.index.to_series(index=images.index)
    keeper[order.index] = order.index.to_series().groupby(order["component"]).transform("first")

    kept = images["image"].loc[keeper].to_numpy()
    same_file = images["sha256"].to_numpy() == images["sha256"].loc[keeper].to_numpy()
    reason = pd.Series("near", images.index).mask(same_file, "exact")
    reason = reason.mask(images["image"] == kept, "kept")
    classes = images["target"].where(images["target"] != "").groupby(component).transform("nunique")
    if drop_conflicts:
        reason = reason.mask(classes > 1, "conflict")
    table = pd.DataFrame(
        {
            "image": images["image"],
            "duplicate_group": images.groupby(component)["image"].transform("min"),
            "keep": reason == "kept",
            "reason": reason,
            "of": pd.Series(kept, images.index).mask(images["image"] == kept, ""),
            "distance": hash_distance(images["phash"], images["phash"].loc[keeper]),
        }
    )
    table["distance"] = table["distance"].where(table["of"] != "", -1)
    return table


def hash_distance(first: pd.Series, second: pd.Series) -> list[int]:
    """Bits that differ between hexadecimal hashes, pair by pair."""
    return [(int(a, 16) ^ int(b, 16)).bit_count() for a, b in zip(first, second, strict=True)]


def longest_chain(count: int, pairs: NDArray[np.int64]) -> int:
    """The largest number of steps from one member of a group to another.

    1 where every pair of members is a duplicate pair; more where members are joined only
    through others; 0 without pairs.
    """
    longest = 0
    component = components(count, pairs)
    for number in np.unique(component[pairs[:, 0]]):
        inside = pairs[component[pairs[:, 0]] == number]
        places = np.unique(inside)
        local = np.searchsorted(places, inside)
        graph = csr_array(
            (np.ones(len(local)), (local[:, 0], local[:, 1])), shape=(len(places), len(places))
        )
        steps = shortest_path(graph, directed=False, unweighted=True)
        longest = max(longest, int(steps.max()))
    return longest
