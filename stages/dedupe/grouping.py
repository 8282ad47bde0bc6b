"""Duplicate groups, and which member of each is kept."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

# Whoever is kept stands for the group: the official test set stays whole.
OFFICIAL_ORDER = {"test": 0, "val": 1, "train": 2, "": 3}

# Larger groups are rare in real collections.
LARGE_GROUP = 12

# Files by number, and the files of which each is a copy.
Copies = dict[int, list[int]]


def group_duplicates(
    images: pd.DataFrame, pairs: pd.DataFrame, drop_conflicts: bool
) -> pd.DataFrame:
    """Group copies, and choose which member of each group to keep.

    A group is an image that is kept and its own copies: each was verified against the image that
    is kept. A copy of a copy that was not is in another group; the split keeps both on one side.
    Kept is the image of the official test set first, then the labelled, the largest, the first by
    name. If `drop_conflicts`, no image is kept that has a copy of another class: at least one of
    the labels is wrong, and nobody here can say which.

    Args:
        images: table `Images`, usable rows only, `target` = class; index 0 to N-1.
        pairs: table `Pairs`.

    Returns:
        table `Duplicates`.
    """
    order = best_first(images)
    file = pd.Series(pd.factorize(images.loc[order, "sha256"])[0], order).sort_index()
    number = pd.Series(file.to_numpy(), images["image"])
    exposures = pairs[pairs["kind"] == "exposure"]
    linked = [exposures[place].map(number).to_list() for place in ("first", "second")]
    copies = copies_of(zip(*linked, strict=True))

    conflict = pd.Series(False, images.index)
    if drop_conflicts:
        conflict = file.isin(contradicted(file, images["target"], copies))
    leader = file.map(leaders(file.nunique(), copies, set(file[conflict])))
    best = order.to_series().groupby(file[order].to_numpy()).first()
    kept = images["image"].loc[leader.map(best)].set_axis(images.index)

    agreement = {
        tuple(sorted(ends)): value
        for *ends, value in zip(*linked, exposures["agreement"], strict=True)
    }
    reason = pd.Series(np.where(file == leader, "exact", "near"), images.index)
    stands = images["image"] == kept
    table = pd.DataFrame(
        {
            "image": images["image"],
            "duplicate_group": images["image"].groupby(leader).transform("min"),
            "reason": reason.mask(stands, "kept").mask(conflict, "conflict"),
            "of": kept.mask(stands, ""),
            "agreement": [
                1.0 if one == other else agreement[min(one, other), max(one, other)]
                for one, other in zip(file, leader, strict=True)
            ],
        }
    )
    table.insert(2, "keep", table["reason"] == "kept")
    table["agreement"] = table["agreement"].mask(stands, 0.0)
    return table


def best_first(images: pd.DataFrame) -> pd.Index:
    """The index of the images in the order in which they are to be kept."""
    order = pd.DataFrame(
        {
            "official": images["official_split"].map(OFFICIAL_ORDER),
            "unlabelled": images["target"] == "",
            "pixels": -images["width"] * images["height"],
            "image": images["image"],
        }
    )
    return order.sort_values(["official", "unlabelled", "pixels", "image"]).index


def copies_of(pairs: Iterable[tuple[int, int]]) -> Copies:
    """The copies of each file that has any."""
    copies: Copies = {}
    for first, second in pairs:
        copies.setdefault(first, []).append(second)
        copies.setdefault(second, []).append(first)
    return copies


def contradicted(file: pd.Series, target: pd.Series, copies: Copies) -> set[int]:
    """The files that have two classes, alone or together with their copies."""
    labelled = target != ""
    classes = {number: set(names) for number, names in target[labelled].groupby(file[labelled])}
    return {
        number
        for number in {*classes, *copies}
        if len(set().union(*(classes.get(n, set()) for n in [number, *copies.get(number, [])]))) > 1
    }


def leaders(count: int, copies: Copies, conflicting: set[int]) -> dict[int, int]:
    """For each file, the one that stands for it; files are numbered the best first.

    Files of which labels contradict each other, and all others, never share a group.
    """
    leader: dict[int, int] = {}
    for number in range(count):
        if number in leader:
            continue
        leader[number] = number
        for copy in copies.get(number, []):
            if (copy in conflicting) == (number in conflicting):
                leader.setdefault(copy, number)
    return leader
