"""What became of every image, from the source to the split: the counts add up."""

from typing import Any

import pandas as pd

from cxr.pipeline.params import SplitSettings
from cxr.pipeline.tables import FATES
from stages.split.assign import assign, split_groups


def fates(images: pd.DataFrame) -> pd.Series:
    """The one thing that became of each image.

    Args:
        images: all rows of table `Images`, with `target` = class, and, where they have them,
            `reason_duplicate` of table `Duplicates` and `split` of table `Split`.

    Returns:
        str, index as given: one of `FATES`.
    """
    fate = images["split"].replace("", "set_aside").fillna("set_aside")
    dropped = {"exact": "duplicate", "near": "duplicate", "conflict": "conflict"}
    duplicate = images["reason_duplicate"].map(dropped)
    fate = fate.mask(duplicate.notna(), duplicate)
    fate = fate.mask(images["target"] == "", "unlabelled")
    return fate.mask(images["status"] != "ok", images["status"])


def count(fate: pd.Series, by: pd.Series) -> pd.DataFrame:
    """Images by a column (rows, sorted) and by what became of them (columns, all of `FATES`)."""
    return pd.crosstab(by, fate).reindex(columns=list(FATES), fill_value=0)


def summary(images: pd.DataFrame, fate: pd.Series) -> dict[str, Any]:
    """The flow table for metrics/split.json: in all, by class and by source."""
    total = fate.value_counts().reindex(list(FATES), fill_value=0)
    return {
        "flow": {"found": len(images), **as_counts(total)},
        "class": by_value(fate, images["target"].replace("", "unlabelled")),
        "source": by_value(fate, images["source"].replace("", "unknown")),
    }


def by_value(fate: pd.Series, by: pd.Series) -> dict[str, dict[str, int]]:
    """The flow for each value of a column."""
    table = count(fate, by)
    return {
        str(value): {"found": int(row.sum()), **as_counts(row)} for value, row in table.iterrows()
    }


def as_counts(row: pd.Series) -> dict[str, int]:
    """A row of counts as plain integers."""
    return {str(name): int(number) for name, number in row.items()}


def shares(kept: pd.DataFrame, folds: int) -> dict[str, dict[str, float]]:
    """Which share of the kept images each side should have by the number of folds, and has.

    Groups are never cut, so the two differ; an official split has its own shares.
    """
    wanted = {"train": (folds - 2) / folds, "val": 1 / folds, "test": 1 / folds}
    has = kept["split"].value_counts(normalize=True)
    return {
        side: {"wanted": share, "reached": float(has.get(side, 0))}
        for side, share in wanted.items()
    }


def without_dedupe(usable: pd.DataFrame, settings: SplitSettings) -> dict[str, int]:
    """What deduplication was worth: test images that would have had a twin in training.

    The same split is made once more with every copy kept and only patients held together.

    Args:
        usable: with what `assign` needs, and `duplicate_group`, the name of the duplicate group.
    """
    labelled = usable[usable["target"] != ""].reset_index(drop=True)
    alone = labelled.assign(duplicate_group=labelled["image"], keep=True)
    side = assign(alone.assign(split_group=split_groups(alone)), settings)
    trained = set(labelled["duplicate_group"][side == "train"])
    tested = labelled["duplicate_group"][side == "test"]
    return {"test": len(tested), "with_twin_in_train": int(tested.isin(trained).sum())}
