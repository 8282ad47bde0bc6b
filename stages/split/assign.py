"""Which side each image goes to: training, validation or test."""

import warnings

import numpy as np
import pandas as pd

from stages.groups import components
from stages.params import SplitSettings

# A group that an official split put on two sides stays on the first of these.
PRECEDENCE = {"test": 0, "val": 1, "train": 2}


def groups(images: pd.DataFrame) -> pd.Series:
    """The union of patient and duplicate group: images that share either are one group.

    Args:
        images: with `image`, `patient` ("" = unknown, joins nobody) and `duplicates`, the name
            of the duplicate group; index 0 to N-1.

    Returns:
        str, index as given: the name of the group's first image.
    """
    position = images.index.to_series()
    links = [
        position.groupby(images["duplicates"]).transform("first"),
        position.groupby(images["patient"])
        .transform("first")
        .where(images["patient"] != "", position),
    ]
    pairs = np.concatenate([np.stack([position, first], axis=1) for first in links])
    component = components(len(images), pairs)
    return images["image"].groupby(component).transform("min")


def assign(images: pd.DataFrame, settings: SplitSettings) -> pd.Series:
    """Deal groups out to train, val and test.

    Stratified by class: test is one fold of `settings.folds`, validation the next, training the
    rest. An official split is honoured; folds are cut from what it calls training only for a
    side that it lacks. Members of a group that it puts on two sides stay on the first of test,
    val, train; the others are set aside.

    Args:
        images: with `label`, `group` and `official_split`, in an order that does not depend on
            the machine.

    Returns:
        str, index as given: train, val, test, or "" for images set aside.
    """
    official = images["official_split"] if settings.official else images["official_split"] * 0
    side = official.copy()
    pool = images[~official.isin(["test", "val"])]
    fold = folds(pool, settings)
    for name, number in (("test", settings.fold), ("val", settings.fold + 1)):
        chosen = pool.index[fold == number % settings.folds]
        if (official == name).any():
            chosen = chosen[official[chosen] == ""]
        side[chosen] = name
    side = side.replace("", "train")
    rank = side.map(PRECEDENCE)
    return side.where(rank == rank.groupby(images["group"]).transform("min"), "")


def folds(images: pd.DataFrame, settings: SplitSettings) -> pd.Series:
    """Number the folds: groups are whole, classes are spread evenly, the seed decides the rest."""
    # scikit-learn's import takes longer than the rest of this stage.
    from sklearn.model_selection import StratifiedGroupKFold

    fold = pd.Series(0, images.index)
    if images["group"].nunique() < settings.folds:
        return fold
    cutter = StratifiedGroupKFold(settings.folds, shuffle=True, random_state=settings.seed)
    with warnings.catch_warnings():
        # A class smaller than the number of folds is told of by `check_classes`.
        warnings.simplefilter("ignore", UserWarning)
        cuts = cutter.split(images, images["label"], images["group"])
        for number, (_, chosen) in enumerate(cuts):
            fold.iloc[chosen] = number
    return fold
