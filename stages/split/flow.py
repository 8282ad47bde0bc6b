"""The status of every image, from the source to the split: the counts add up at each step."""

from typing import Any

import pandas as pd

from cxr.pipeline.params import SplitSettings
from cxr.pipeline.tables import IMAGE_STATUS, SPLITS
from stages.split.assign import assign, split_groups


def image_status(images: pd.DataFrame) -> pd.Series:
    """The final status of each image.

    Args:
        images: all rows of table `Images` with `target`, and, for those that have them,
            `reason_duplicate` of table `Duplicates` and `split` of table `Split`.

    Returns:
        str, index as given: one of `IMAGE_STATUS`.
    """
    status = images["split"].replace("", "set_aside").fillna("set_aside")
    dropped = {"exact": "duplicate", "near": "duplicate", "conflict": "conflict"}
    duplicate = images["reason_duplicate"].map(dropped)
    status = status.mask(duplicate.notna(), duplicate)
    status = status.mask(images["target"] == "", "unlabelled")
    return status.mask(images["status"] != "ok", images["status"])


def count(status: pd.Series, by: pd.Series) -> pd.DataFrame:
    """Number of images for each value of a column (rows) and status (columns)."""
    return pd.crosstab(by, status).reindex(columns=list(IMAGE_STATUS), fill_value=0)


def summary(images: pd.DataFrame, status: pd.Series) -> dict[str, Any]:
    """The flow of images: overall, by class and by source."""
    total = status.value_counts().reindex(list(IMAGE_STATUS), fill_value=0)
    return {
        "flow": {"found": len(images), **as_counts(total)},
        "class": by_value(status, images["target"].replace("", "unlabelled")),
        "source": by_value(status, images["source"].replace("", "unknown")),
    }


def headline(flow: dict[str, int], leaks: dict[str, int], without_patient: int) -> dict[str, int]:
    """The numbers of metrics/data.json: the same keys for every data set.

    The images are the sum of those with a status (`unusable` to `set_aside`) and of the splits.

    Args:
        flow: number of images `found`, and by status.
        leaks: number of pairs by kind.
        without_patient: images of the three splits whose patient is unknown: among these, a leak
            by patient would not be found.
    """
    return {
        "images": flow["found"],
        "unusable": flow["unusable"],
        "unlabelled": flow["unlabelled"],
        "excluded": flow["excluded"],
        "duplicates": flow["duplicate"],
        "conflicts": flow["conflict"],
        "set_aside": flow["set_aside"],
        **{split: flow[split] for split in SPLITS},
        "without_patient": without_patient,
        "leaks": sum(leaks.values()),
    }


def by_value(status: pd.Series, by: pd.Series) -> dict[str, dict[str, int]]:
    """The flow for each value of a column."""
    table = count(status, by)
    return {
        str(value): {"found": int(row.sum()), **as_counts(row)} for value, row in table.iterrows()
    }


def as_counts(row: pd.Series) -> dict[str, int]:
    """A row of counts as plain integers."""
    return {str(name): int(number) for name, number in row.items()}


def shares(kept: pd.DataFrame, folds: int) -> dict[str, dict[str, float]]:
    """The share of the kept images that each split should have by `folds`, and the actual one.

    They differ because groups are never divided, and because an official split has its own
    shares.
    """
    wanted = {"train": (folds - 2) / folds, "val": 1 / folds, "test": 1 / folds}
    reached = kept["split"].value_counts(normalize=True)
    return {
        name: {"wanted": share, "reached": float(reached.get(name, 0))}
        for name, share in wanted.items()
    }


def without_dedupe(usable: pd.DataFrame, settings: SplitSettings) -> dict[str, int]:
    """Count the test images that would have a duplicate in train without deduplication.

    The split is repeated with every copy kept and grouped by patient only.

    Args:
        usable: with what `assign` needs, and `duplicate_group`.
    """
    labelled = usable[usable["target"] != ""].reset_index(drop=True)
    ungrouped = labelled.assign(keep=True)
    nothing = pd.DataFrame({"first": [], "second": []})
    split = assign(ungrouped.assign(split_group=split_groups(ungrouped, nothing)), settings)
    in_train = set(labelled["duplicate_group"][split == "train"])
    in_test = labelled["duplicate_group"][split == "test"]
    return {"test": len(in_test), "with_duplicate_in_train": int(in_test.isin(in_train).sum())}
