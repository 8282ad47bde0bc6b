"""What went in, counted for the page from the tables of the pipeline."""

import pandas as pd

from cxr.datasets.labels import mapping_of
from cxr.pipeline.params import Params
from cxr.pipeline.tables import SPLITS, described

VALUES = 6
"""Values of a column, such as views, that get a line of their own; the rest share one."""
Lines = list[tuple[str, list[str]]]

LOST = {
    "unusable": "unusable: damaged, empty, too small, or no image",
    "excluded": "excluded, such as another view than asked for",
    "unlabelled": "without a label, or with one that is no class of the task",
    "duplicate": "copies of an image that was kept",
    "conflict": "copies of each other with contradicting labels",
    "set_aside": "set aside by the split",
}
"""What can become of an image beside being used, by its name in metrics/split.json."""


def fates(flow: dict[str, int]) -> list[str]:
    """The columns of the flow tables: those of `LOST` only where there are such images."""
    return ["found", *(name for name in LOST if flow[name]), *SPLITS]


def used(images: pd.DataFrame, split: pd.DataFrame) -> pd.DataFrame:
    """The images of the three sides with all that is known of each."""
    return described(split[split["split"] != ""], images)


def characteristics(kept: pd.DataFrame) -> Lines:
    """What training, validation and test images are like: a line for each fact, a text for each.

    Args:
        kept: what `used` gives.
    """
    sides = [kept[kept["split"] == side] for side in SPLITS]
    lines: Lines = [
        ("Images", [str(len(side)) for side in sides]),
        ("Patients or groups", [str(side["split_group"].nunique()) for side in sides]),
        ("Images whose patient is known", [share(side["patient"] != "") for side in sides]),
        ("Age in years: median (range)", [ages(side["age"]) for side in sides]),
        ("Age unknown", [share(side["age"] == "") for side in sides]),
    ]
    for column, title in (("sex", "Sex"), ("view", "View"), ("format", "File format")):
        named = kept[column].replace("", "unknown")
        common = sorted(named.value_counts().sort_index().nlargest(VALUES).index)
        named = named.where(named.isin(common), "others")
        for value in [*common, *(["others"] if (named == "others").any() else [])]:
            shares = [share(named[side.index] == value) for side in sides]
            lines.append((f"{title}: {value}", shares))
    return lines


def share(where: pd.Series) -> str:
    """How many are true, and which share that is."""
    return f"{where.sum()} ({where.mean():.0%})" if len(where) else "0"


def ages(values: pd.Series) -> str:
    """Median and range of ages in years, given as text."""
    years = pd.to_numeric(values, errors="coerce").dropna()
    if years.empty:
        return "unknown"
    return f"{years.median():.0f} ({years.min():.0f} to {years.max():.0f})"


def reasons(images: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Why images can't be used: status, reason and number of images, the most frequent first."""
    lost = images[images["status"] != "ok"]
    counts = lost.groupby(["status", "reason"]).size().reset_index(name="images")
    counts = counts.sort_values(["images", "status", "reason"], ascending=[False, True, True])
    return [(str(status), str(reason), int(count)) for status, reason, count in counts.to_numpy()]


def labels(params: Params) -> list[tuple[str, str, str]]:
    """Data set, published label and class of the task, where they differ by params.yaml."""
    union = params.dataset == "union"
    return [
        (name, published, task)
        for name in (params.union.datasets if union else [params.dataset])
        for published, task in (mapping_of(name, params)[1] or {}).items()
    ]


def confusion(pairs: pd.DataFrame, classes: list[str]) -> list[list[int]]:
    """Test images by actual class (rows) and predicted class (columns).

    Args:
        pairs: `actual` and `predicted`, a row for each image.
    """
    table = pd.crosstab(pairs["actual"], pairs["predicted"])
    return table.reindex(index=classes, columns=classes, fill_value=0).to_numpy().tolist()


def mixed_up(matrix: list[list[int]], classes: list[str], most: int = 3) -> list[dict[str, object]]:
    """The most frequent mistakes: `actual` class called `predicted`, so many `of` its images."""
    found = [
        {"actual": classes[row], "predicted": classes[column], "images": count, "of": sum(counts)}
        for row, counts in enumerate(matrix)
        for column, count in enumerate(counts)
        if row != column and count
    ]
    return sorted(found, key=lambda one: -int(str(one["images"])))[:most]


def sureness(reliability: pd.DataFrame) -> float | None:
    """Mean probability of the predicted class.

    Args:
        reliability: bins with `images` and their mean `confidence`.
    """
    total = reliability["images"].sum()
    weighted = (reliability["images"] * reliability["confidence"]).sum()
    return float(weighted / total) if total else None
