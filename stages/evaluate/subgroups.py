"""Scores of parts of the test images: by data set, source, sex, age, view, official split."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.metrics.bootstrap import bootstrap_intervals, exact_if_degenerate, nan_to_none
from cxr.metrics.classification import (
    Floats,
    Labels,
    accuracy,
    confusion_matrices,
    effective_groups,
    nan_mean,
    rates_from_confusion,
)
from cxr.metrics.operating_point import OperatingPoint, binary_rate_intervals, binary_rates
from cxr.pipeline.params import Evaluate

ATTRIBUTES = ("dataset", "source", "sex", "age", "view", "official_split")
UNKNOWN = "unknown"
AGE_BANDS = {0: "0-17", 18: "18-39", 40: "40-59", 60: "60-79", 80: "80 and over"}


def subgroup_attributes(images: pd.DataFrame) -> dict[str, pd.Series]:
    """Those of `ATTRIBUTES` that have several values among the images.

    Ages are replaced by age bands, empty values by "unknown".
    """
    known = images[[name for name in ATTRIBUTES if name in images]].replace("", UNKNOWN)
    if "age" in known:
        known["age"] = age_bands(known["age"])
    return {str(name): known[name] for name in known if known[name].nunique() > 1}


def age_bands(ages: pd.Series) -> pd.Series:
    """The age band of each age, which is a number of years as text."""
    years = pd.to_numeric(ages, errors="coerce")
    bands = pd.cut(years, [*AGE_BANDS, np.inf], right=False, labels=list(AGE_BANDS.values()))
    return bands.astype(object).fillna(UNKNOWN).astype(str)


def subgroup_metrics(
    images: pd.DataFrame,
    actual: Labels,
    probs: Floats,
    point: OperatingPoint | None,
    settings: Evaluate,
) -> pd.DataFrame:
    """The scores of each subgroup, with intervals.

    Balanced accuracy is the mean over the classes present in the subgroup: compare it only
    between subgroups with the same classes.

    Args:
        images: N rows with `split_group` and some of `ATTRIBUTES`.
        actual: (N,), class indices.
        probs: (N, K).

    Returns:
        a row for each subgroup: `attribute`, `value`, `images`, `groups`, `classes`, and for
        accuracy, balanced accuracy and, with an operating point, sensitivity and specificity at
        it: `<score>`, `<score>_low` and `<score>_high`.
    """
    rows: list[dict[str, Any]] = []
    for attribute, values in subgroup_attributes(images).items():
        for value in sorted(values.unique()):
            part = (values == value).to_numpy()
            groups = images["split_group"][part].to_numpy()
            rows.append(
                {
                    "attribute": attribute,
                    "value": value,
                    "images": len(groups),
                    "groups": len(set(groups)),
                    "classes": len(set(actual[part])),
                    **scores_with_intervals(actual[part], probs[part], groups, point, settings),
                }
            )
    return pd.DataFrame(rows)


def scores_with_intervals(
    actual: Labels,
    probs: Floats,
    groups: NDArray[np.str_],
    point: OperatingPoint | None,
    settings: Evaluate,
) -> dict[str, float]:
    """The scores of one subgroup and the ends of their intervals."""

    def statistics(weights: Floats) -> dict[str, Floats]:
        predicted = probs.argmax(1)
        matrices = confusion_matrices(actual, predicted, probs.shape[1], weights)
        recalls = rates_from_confusion(matrices)["sensitivity"]
        return {"accuracy": accuracy(matrices), "balanced_accuracy": nan_mean(recalls)}

    scores = statistics(np.ones((1, len(actual))))
    group_counts = effective_groups(actual, groups)
    intervals = {
        name: exact_if_degenerate(interval, group_counts[name], settings.confidence)
        for name, interval in bootstrap_intervals(statistics, groups, settings).items()
    }
    if point is not None:
        positive, predicted = actual == point.class_index, point.is_positive(probs)
        rates = binary_rates(positive, predicted)
        rate_intervals = binary_rate_intervals(positive, predicted, groups, settings)
        for name in ("sensitivity", "specificity"):
            scores[name], intervals[name] = rates[name], rate_intervals[name]
    columns: dict[str, float] = {}
    for name, value in scores.items():
        low, high = intervals[name]
        columns |= {name: float(value[0]), f"{name}_low": float(low), f"{name}_high": float(high)}
    return columns


def subgroups_to_json(table: pd.DataFrame) -> dict[str, dict[str, dict[str, float | None]]]:
    """The table as `{attribute: {value: {score: number}}}`; None where undefined."""
    nested: dict[str, dict[str, dict[str, float | None]]] = {}
    for row in table.to_dict("records"):
        attribute, value = row.pop("attribute"), row.pop("value")
        nested.setdefault(attribute, {})[value] = {
            str(name): nan_to_none(number) if isinstance(number, float) else number
            for name, number in row.items()
        }
    return nested
