"""Which side each image goes to: training, validation or test."""

import hashlib
import warnings

import numpy as np
import pandas as pd

from cxr.duplicates.groups import components
from cxr.pipeline.cli import UserError
from cxr.pipeline.params import SplitSettings

# A group that stands on two sides stays on the first of these.
PRECEDENCE = {"test": 0, "val": 1, "train": 2}


def split_groups(images: pd.DataFrame) -> pd.Series:
    """The union of patient and duplicate group: images that share either are one group.

    Args:
        images: with `image`, `patient` ("" = unknown, joins nobody) and `duplicate_group`, the name
            of the duplicate group; index 0 to N-1.

    Returns:
        str, index as given: the name of the group's first image.
    """
    position = images.index.to_series()
    of_patient = position.groupby(images["patient"]).transform("first")
    links = [
        position.groupby(images["duplicate_group"]).transform("first"),
        of_patient.where(images["patient"] != "", position),
    ]
    pairs = np.concatenate([np.stack([position, first], axis=1) for first in links])
    component = components(len(images), pairs)
    return images["image"].groupby(component).transform("min")


def assign(images: pd.DataFrame, settings: SplitSettings) -> pd.Series:
    """Deal groups out to train, val and test.

    Test is one fold of `settings.folds`, validation the next, training the rest. An official
    split is honoured; folds are cut from what it calls training only for a side that it lacks.
    Members of a group that would stand on two sides stay on the first of test, val, train; the
    others are set aside.

    Args:
        images: with `target`, `dataset`, `source`, `split_group`, `official_split`, `patient`,
            `sha256` and `keep`, in an order that does not depend on the machine. Those that are
            not kept are not counted, but tie their group to the side that they would be on.

    Returns:
        str, index as given: train, val, test, or "" for images set aside.
    """
    official = official_sides(images, settings)
    side = official.copy()
    pool = images[~official.isin(["test", "val"])]
    fold = stable_folds(pool, settings) if settings.method == "stable" else folds(pool, settings)
    for name, number in (("test", settings.fold), ("val", settings.fold + 1)):
        chosen = pool.index[fold == number % settings.folds]
        if (official == name).any():
            chosen = chosen[official[chosen] == ""]
        side[chosen] = name
    side = side.replace("", "train")
    rank = side.map(PRECEDENCE)
    return side.where(rank == rank.groupby(images["split_group"]).transform("min"), "")


def official_sides(images: pd.DataFrame, settings: SplitSettings) -> pd.Series:
    """The side that is settled beforehand, by the data set or by `settings.test_sources`.

    Raises:
        UserError: if there is no such source.
    """
    official = images["official_split"] if settings.official else images["official_split"] * 0
    if not settings.test_sources:
        return official
    sources = sorted({*images["source"], *images["dataset"]})
    if unknown := [name for name in settings.test_sources if name not in sources]:
        raise UserError(
            f"params.yaml: split.test_sources: there is no source or data set "
            f"'{unknown[0]}'. There are: {', '.join(sources)}."
        )
    elsewhere = official.replace("test", "train").replace("", "train")
    chosen = images[["source", "dataset"]].isin(settings.test_sources).any(axis=1)
    return elsewhere.mask(chosen, "test")


def folds(images: pd.DataFrame, settings: SplitSettings) -> pd.Series:
    """Number the folds: groups are whole, classes are spread evenly, the seed decides the rest.

    Returns:
        int, index as given; groups of which nothing is kept get fold -1, which is no fold.
    """
    # scikit-learn's import takes longer than the rest of this stage.
    from sklearn.model_selection import StratifiedGroupKFold

    kept = images[images["keep"]]
    fold = pd.Series(0, kept.index)
    if kept["split_group"].nunique() >= settings.folds:
        stratum = kept["target"] + (" " + kept["source"] if settings.stratify_source else "")
        cutter = StratifiedGroupKFold(settings.folds, shuffle=True, random_state=settings.seed)
        with warnings.catch_warnings():
            # A class smaller than the number of folds is told of by `check_classes`.
            warnings.simplefilter("ignore", UserWarning)
            for number, (_, chosen) in enumerate(cutter.split(kept, stratum, kept["split_group"])):
                fold.iloc[chosen] = number
    of_group = fold.groupby(kept["split_group"]).first()
    return images["split_group"].map(of_group).fillna(-1).astype(int)


def stable_folds(images: pd.DataFrame, settings: SplitSettings) -> pd.Series:
    """Number the folds by a hash of each patient, or, if unknown, of the image file.

    An image's fold depends on nothing but the seed and itself, so that a growing data set moves
    none to another side.
    """
    patient = images["patient"].where(images["patient"] != "", images["sha256"])
    return patient.map(lambda name: number(f"{settings.seed} {name}", settings.folds))


def number(name: str, below: int) -> int:
    """A number from 0 to `below` - 1 that looks random and is always the same for a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % below
