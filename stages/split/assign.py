"""Assign images to train, val and test, whole groups at a time."""

import hashlib
import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cxr.pipeline.errors import UserError
from cxr.pipeline.params import SplitSettings

# A group that would be in several splits is kept in the first of these.
PRECEDENCE = {"test": 0, "val": 1, "train": 2}


def split_groups(images: pd.DataFrame, pairs: pd.DataFrame) -> pd.Series:
    """Join patients and pairs: images of one patient, copies and alike ones are in one group.

    Args:
        images: with `image` and `patient` ("" = unknown, joins nobody); index 0 to N-1.
        pairs: table `Pairs`, of any kind, also of images that are not kept.

    Returns:
        str, index as given: the name of the group's first image.
    """
    position = images.index.to_series()
    of_patient = position.groupby(images["patient"]).transform("first")
    patients = np.stack([position, of_patient.where(images["patient"] != "", position)], axis=1)
    place = pd.Series(position.to_numpy(), images["image"])
    joined = np.stack([pairs["first"].map(place), pairs["second"].map(place)], axis=1)
    component = components(len(images), np.concatenate([patients, joined]).astype(np.int64))
    return images["image"].groupby(component).transform("min")


def components(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int32]:
    """Number the connected components of `count` images joined by pairs.

    Args:
        pairs: int (P, 2), positions of images that belong together.

    Returns:
        int32 (count,): images with the same number are joined, directly or through others.
    """
    joined = np.ones(len(pairs), bool)
    graph = coo_array((joined, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def assign(images: pd.DataFrame, settings: SplitSettings) -> pd.Series:
    """Assign groups to train, val and test.

    Test is fold `settings.fold`, validation the next fold, training the rest. An official split
    is kept; folds are taken from its training images only for a split that it lacks. Where the
    official split divides a group, its members in the first of test, val and train stay and the
    others are set aside; members without an official split follow their group.

    Args:
        images: with `target`, `dataset`, `source`, `split_group`, `official_split`, `patient`,
            `sha256` and `keep`, in an order that does not depend on the machine. Those that are
            not kept are in no fold, but they join groups, and their official split counts.

    Returns:
        str, index as given: train, val, test, or "" for images set aside.
    """
    official = follow_group(fixed_splits(images, settings), images["split_group"])
    split = official.copy()
    pool = images[~official.isin(["test", "val"])]
    fold = stable_folds(pool, settings) if settings.method == "stable" else folds(pool, settings)
    for name, number in (("test", settings.fold), ("val", settings.fold + 1)):
        chosen = pool.index[fold == number % settings.folds]
        if (official == name).any():
            chosen = chosen[official[chosen] == ""]
        split[chosen] = name
    split = split.replace("", "train")
    rank = split.map(PRECEDENCE)
    return split.where(rank == rank.groupby(images["split_group"]).transform("min"), "")


def follow_group(official: pd.Series, group: pd.Series) -> pd.Series:
    """Give images without an official split that of their group, the first of test, val, train.

    Otherwise a copy without one, such as one that is not kept, could move the whole group.
    """
    rank = official.map(PRECEDENCE).groupby(group).transform("min")
    of_group = rank.map({number: name for name, number in PRECEDENCE.items()}).fillna("")
    return official.where(official != "", of_group)


def fixed_splits(images: pd.DataFrame, settings: SplitSettings) -> pd.Series:
    """The split that the data set or `settings.test_sources` prescribes, "" where neither does.

    Raises:
        UserError: if a source in `settings.test_sources` does not exist.
    """
    official = (
        images["official_split"] if settings.use_official_split else images["official_split"] * 0
    )
    if not settings.test_sources:
        return official
    sources = sorted({*images["source"], *images["dataset"]})
    if unknown := [name for name in settings.test_sources if name not in sources]:
        raise UserError(
            f"params.yaml: split.test_sources: there is no source or data set "
            f"'{unknown[0]}'. There are: {', '.join(sources)}."
        )
    other = official.replace("test", "train").replace("", "train")
    in_test = images[["source", "dataset"]].isin(settings.test_sources).any(axis=1)
    return other.mask(in_test, "test")


def folds(images: pd.DataFrame, settings: SplitSettings) -> pd.Series:
    """Folds that keep groups whole and are stratified by class, shuffled by the seed.

    Returns:
        int, index as given; -1 for groups of which no image is kept. All others are in fold 0 if
        there are too few groups, or too few images of every class: `check_classes` reports it.
    """
    # scikit-learn's import takes longer than the rest of this stage.
    from sklearn.model_selection import StratifiedGroupKFold

    kept = images[images["keep"]]
    fold = pd.Series(0, kept.index)
    stratum = kept["target"] + (" " + kept["source"] if settings.stratify_by_source else "")
    enough = (kept["split_group"].nunique(), stratum.value_counts().max())
    if min(enough) >= settings.folds:
        cutter = StratifiedGroupKFold(settings.folds, shuffle=True, random_state=settings.seed)
        with warnings.catch_warnings():
            # About some classes smaller than the number of folds, which `check_classes` reports.
            warnings.simplefilter("ignore", UserWarning)
            for number, (_, chosen) in enumerate(cutter.split(kept, stratum, kept["split_group"])):
                fold.iloc[chosen] = number
    of_group = fold.groupby(kept["split_group"]).first()
    return images["split_group"].map(of_group).fillna(-1).astype(int)


def stable_folds(images: pd.DataFrame, settings: SplitSettings) -> pd.Series:
    """Folds by a hash of each patient, or of the image file where the patient is unknown.

    An image's fold depends on the seed and the image only, so that adding images never moves
    another one to a different split.

    Returns:
        int, index as given; -1 for images that are not kept: a copy that is dropped must not
        draw the image that stands for it out of its split.
    """
    patient = images["patient"].where(images["patient"] != "", images["sha256"])
    fold = patient.map(lambda name: stable_hash(f"{settings.seed} {name}", settings.folds))
    return fold.where(images["keep"], -1)


def stable_hash(name: str, below: int) -> int:
    """A hash from 0 to `below` - 1 that is the same in every process and on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % below
