"""Samples of images: which are measured and which are shown."""

import hashlib

import numpy as np
import pandas as pd


def balanced_sample(images: pd.DataFrame, limit: int) -> pd.DataFrame:
    """Choose at most `limit` images, with equally many of each class as far as possible.

    They are ordered by a hash of the image's name. This mixes patients, does not depend on the
    network, and stays the same when other images are added or removed. The classes alternate, so
    that the first few images have all classes too.

    Args:
        images: with `image` and `target`.
    """
    ordered = sort_by_hash(images)
    turn = ordered.groupby("target").cumcount().to_numpy()
    return ordered.iloc[np.argsort(turn, kind="stable")[:limit]]


def choose_examples(images: pd.DataFrame, per_class: int) -> pd.DataFrame:
    """Choose the images to show of each class: half of them errors, if there are enough.

    Args:
        images: with `image`, `target` and `correct` (bool).

    Returns:
        the chosen rows, by class, ordered by hash, with `slot`: 1 to at most `per_class` within
        each class; correct predictions come first.
    """
    images = sort_by_hash(images)
    examples = []
    for _, members in images.groupby("target"):
        correct, wrong = members[members["correct"]], members[~members["correct"]]
        errors = min(len(wrong), max(per_class // 2, per_class - len(correct)))
        chosen = pd.concat([correct.head(per_class - errors), wrong.head(errors)])
        examples.append(chosen.assign(slot=range(1, len(chosen) + 1)))
    return pd.concat(examples)


def first_by_hash(images: pd.DataFrame, limit: int) -> pd.DataFrame:
    """Choose the first `limit` images, ordered by a hash of their names."""
    return sort_by_hash(images).head(limit)


def sort_by_hash(images: pd.DataFrame) -> pd.DataFrame:
    """Sort images by a hash of their names."""
    return images.loc[images["image"].map(name_hash).sort_values().index]


def name_hash(name: str) -> int:
    """Return a 64-bit hash of a name that is the same on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
