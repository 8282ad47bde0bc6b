"""Which test images are shown."""

import hashlib

import pandas as pd


def choose(images: pd.DataFrame, per_class: int) -> pd.DataFrame:
    """A fixed number of images for each class: half of them errors, if there are so many.

    The order is that of a hash of the image's name, so that it mixes patients, does not depend
    on the network, and stays when other images come or go.

    Args:
        images: with `image`, `label` and `correct` (bool).

    Returns:
        the chosen rows, by label, with `slot`: 1 to at most `per_class` within each label;
        correct predictions come first.
    """
    order = images["image"].map(lambda name: hashlib.sha256(name.encode()).hexdigest())
    images = images.loc[order.sort_values().index]
    chosen = []
    for _, members in images.groupby("label"):
        right, wrong = members[members["correct"]], members[~members["correct"]]
        errors = min(len(wrong), max(per_class // 2, per_class - len(right)))
        shown = pd.concat([right.head(per_class - errors), wrong.head(errors)])
        chosen.append(shown.assign(slot=range(1, len(shown) + 1)))
    return pd.concat(chosen)
