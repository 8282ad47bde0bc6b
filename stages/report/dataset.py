"""Counts and characteristics of the data set, for the report."""

from typing import NamedTuple

import pandas as pd

from cxr.datasets.labels import mapping_of
from cxr.pipeline.params import Params
from cxr.pipeline.tables import SPLITS, described

MAX_VALUES = 6
"""Values of a column, such as views, that get a row of their own; the rest share one."""

NOT_USED = {
    "unusable": "unusable: damaged, empty, too small, or not an image",
    "excluded": "excluded, such as images of unwanted views",
    "unlabelled": "without a label, or with a label that is not mapped to a class",
    "duplicate": "duplicates of an image that was kept",
    "conflict": "duplicates with contradicting labels",
    "set_aside": "set aside by the split",
}
"""Those of `cxr.pipeline.tables.IMAGE_STATUS` that images have which are in no split."""

Rows = list[tuple[str, list[str]]]


class Confusion(NamedTuple):
    """A frequent error: `images` of the `support` images of a class were predicted as another."""

    actual: str
    predicted: str
    images: int
    support: int


def status_columns(flow: dict[str, int]) -> list[str]:
    """The columns of the flow tables; those of `NOT_USED` only where there are such images."""
    return ["found", *(status for status in NOT_USED if flow[status]), *SPLITS]


def split_images(images: pd.DataFrame, split: pd.DataFrame) -> pd.DataFrame:
    """The images of the three splits, with all columns of both tables."""
    return described(split[split["split"] != ""], images)


def characteristics(images: pd.DataFrame) -> Rows:
    """The characteristics of the training, validation and test images.

    Args:
        images: see `split_images`.

    Returns:
        a row for each characteristic: its name, and a text for each split.
    """
    splits = [images[images["split"] == name] for name in SPLITS]
    rows: Rows = [
        ("Images", [str(len(part)) for part in splits]),
        ("Known patients", [str(len(set(part["patient"]) - {""})) for part in splits]),
        ("Images without a known patient", [share(part["patient"] == "") for part in splits]),
        ("Age in years: median (range)", [age_range(part["age"]) for part in splits]),
        ("Age: unknown", [share(part["age"] == "") for part in splits]),
    ]
    for column, title in (("sex", "Sex"), ("view", "View"), ("format", "File format")):
        values = images[column].replace("", "unknown")
        common = sorted(values.value_counts().sort_index().nlargest(MAX_VALUES).index)
        values = values.where(values.isin(common), "others")
        for value in [*common, *(["others"] if (values == "others").any() else [])]:
            rows.append(
                (f"{title}: {value}", [share(values[part.index] == value) for part in splits])
            )
    return rows


def independent_units(images: pd.DataFrame) -> str:
    """What the groups of the test images are: each is counted once in the intervals."""
    unknown = images.loc[images["split"] == "test", "patient"] == ""
    if unknown.all():
        return "single images (patients unknown)"
    return "patients or single images" if unknown.any() else "patients"


def share(mask: pd.Series) -> str:
    """How many are true, and which percentage that is."""
    return f"{mask.sum()} ({mask.mean():.0%})" if len(mask) else "0"


def age_range(ages: pd.Series) -> str:
    """Median and range of ages in years, which are given as text."""
    years = pd.to_numeric(ages, errors="coerce").dropna()
    if years.empty:
        return "unknown"
    return f"{years.median():.0f} ({years.min():.0f} to {years.max():.0f})"


def unusable_reasons(images: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Status, reason and number of the images that can't be used, the most frequent first."""
    unusable = images[images["status"] != "ok"]
    counts = unusable.groupby(["status", "reason"]).size().reset_index(name="images")
    counts = counts.sort_values(["images", "status", "reason"], ascending=[False, True, True])
    return [(str(status), str(reason), int(count)) for status, reason, count in counts.to_numpy()]


def label_mapping(params: Params) -> list[tuple[str, str, str]]:
    """Data set, published label and class, for the data sets whose labels are mapped."""
    union = params.dataset == "union"
    return [
        (dataset, published, target)
        for dataset in (params.union.datasets if union else [params.dataset])
        for published, target in (mapping_of(dataset, params)[1] or {}).items()
    ]


def confusion_matrix(pairs: pd.DataFrame, classes: list[str]) -> list[list[int]]:
    """Number of test images by actual class (rows) and predicted class (columns).

    Args:
        pairs: `actual` and `predicted`, a row for each image.
    """
    table = pd.crosstab(pairs["actual"], pairs["predicted"])
    return table.reindex(index=classes, columns=classes, fill_value=0).to_numpy().tolist()


def frequent_confusions(
    matrix: list[list[int]], classes: list[str], limit: int = 3
) -> list[Confusion]:
    """The most frequent errors in a confusion matrix."""
    confusions = [
        Confusion(classes[row], classes[column], count, sum(counts))
        for row, counts in enumerate(matrix)
        for column, count in enumerate(counts)
        if row != column and count
    ]
    return sorted(confusions, key=lambda confusion: -confusion.images)[:limit]


def mean_confidence(reliability: pd.DataFrame) -> float | None:
    """Mean probability of the predicted class.

    Args:
        reliability: bins with `images` and their mean `confidence`.
    """
    total = reliability["images"].sum()
    weighted = (reliability["images"] * reliability["confidence"]).sum()
    return float(weighted / total) if total else None
