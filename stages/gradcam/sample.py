"""Which images are measured, and which are shown."""

import hashlib

import numpy as np
import pandas as pd


def spread(images: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most so many images, equally many of each class as far as there are.

    The order is that of a hash of the image's name, so that it mixes patients, does not depend on
    the network, and stays when other images come or go; the classes take turns, so that the first
    few are spread over the classes too.

    Args:
        images: with `image` and `target`.
    """
    ordered = shuffled(images)
    turn = ordered.groupby("target").cumcount().to_numpy()
    return ordered.iloc[np.argsort(turn, kind="stable")[:most]]


def choose(images: pd.DataFrame, per_class: int) -> pd.DataFrame:
    """A fixed number of images for each class: half of them errors, if there are so many.

    Args:
        images: with `image`, `target` and `correct` (bool).

    Returns:
        the chosen rows, by label, in the order of `spread`, with `slot`: 1 to at most `per_class`
        within each label; correct predictions come first.
    """
    images = shuffled(images)
    chosen = []
    for _, members in images.groupby("target"):
        right, wrong = members[members["correct"]], members[~members["correct"]]
        errors = min(len(wrong), max(per_class // 2, per_class - len(right)))
        shown = pd.concat([right.head(per_class - errors), wrong.head(errors)])
        chosen.append(shown.assign(slot=range(1, len(shown) + 1)))
    return pd.concat(chosen)


def first(images: pd.DataFrame, most: int) -> pd.DataFrame:
    """The first so many in the order of a hash of their names."""
    return shuffled(images).head(most)


def shuffled(images: pd.DataFrame) -> pd.DataFrame:
    """The images in the order of a hash of their names."""
    return images.loc[images["image"].map(number).sort_values().index]


def number(name: str) -> int:
    """A number below 2 ** 64 that is an image's own."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
