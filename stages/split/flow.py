"""What became of every image, from the source to the split: the counts add up."""

from typing import Any

import pandas as pd

FATES = (
    "unusable",
    "excluded",
    "unlabelled",
    "duplicate",
    "conflict",
    "set_aside",
    "train",
    "val",
    "test",
)


def fates(images: pd.DataFrame) -> pd.Series:
    """The one thing that became of each image.

    Args:
        images: all rows of table `Images`, with `label` = class, and, where they have them,
            `reason_duplicate` of table `Duplicates` and `split` of table `Split`.

    Returns:
        str, index as given: one of `FATES`.
    """
    fate = images["split"].replace("", "set_aside").fillna("set_aside")
    dropped = {"exact": "duplicate", "near": "duplicate", "conflict": "conflict"}
    duplicate = images["reason_duplicate"].map(dropped)
    fate = fate.mask(duplicate.notna(), duplicate)
    fate = fate.mask(images["label"] == "", "unlabelled")
    return fate.mask(images["status"] != "ok", images["status"])


def count(fate: pd.Series, by: pd.Series) -> pd.DataFrame:
    """Images by a column (rows, sorted) and by what became of them (columns, all of `FATES`)."""
    return pd.crosstab(by, fate).reindex(columns=list(FATES), fill_value=0)


def summary(images: pd.DataFrame, fate: pd.Series) -> dict[str, Any]:
    """The flow table for metrics/split.json: in all, by class and by source."""
    total = fate.value_counts().reindex(list(FATES), fill_value=0)
    return {
        "flow": {"found": len(images), **as_counts(total)},
        "class": by_value(fate, images["label"].replace("", "unlabelled")),
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
