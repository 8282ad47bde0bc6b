"""The same scores on parts of the test images: by data set, source, sex, age, view, split."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.metrics import bootstrap, operating_point
from cxr.metrics.bootstrap import defined
from cxr.metrics.classification import (
    Floats,
    Labels,
    confusion,
    groups_of_shares,
    mean,
    rates,
    ratio,
)
from cxr.pipeline.params import Evaluate

COLUMNS = ("dataset", "source", "sex", "age", "view", "official_split")
UNKNOWN = "unknown"
AGES = {0: "0-17", 18: "18-39", 40: "40-59", 60: "60-79", 80: "80 and over"}


def kinds(images: pd.DataFrame) -> dict[str, pd.Series]:
    """What test images can be told apart by: a column for each of `COLUMNS` that is known.

    Ages are given as bands. A column that is the same for all images tells nothing apart.
    """
    known = images[[name for name in COLUMNS if name in images]].replace("", UNKNOWN)
    if "age" in known:
        known["age"] = bands(known["age"])
    return {str(name): known[name] for name in known if known[name].nunique() > 1}


def bands(ages: pd.Series) -> pd.Series:
    """Ages in years, as text, to bands."""
    years = pd.to_numeric(ages, errors="coerce")
    cut = pd.cut(years, [*AGES, np.inf], right=False, labels=list(AGES.values()))
    return cut.astype(object).fillna(UNKNOWN).astype(str)


def measure(
    images: pd.DataFrame,
    actual: Labels,
    probabilities: Floats,
    positive: tuple[int, float] | None,
    settings: Evaluate,
) -> pd.DataFrame:
    """The scores of each subgroup, with intervals.

    Balanced accuracy is the mean over the classes that the subgroup has, so that it compares
    between subgroups of the same `classes` only.

    Args:
        images: N rows with `split_group` and what is known of each.
        actual: (N,), numbers of classes.
        probabilities: (N, K).
        positive: number and threshold of the positive class; None for no operating point.

    Returns:
        `by` (the column), `value`, `images`, `groups`, `classes`, and for accuracy, balanced
        accuracy and, at the operating point, sensitivity and specificity: `<score>`,
        `<score>_low` and `<score>_high`.
    """
    rows: list[dict[str, Any]] = []
    for by, values in kinds(images).items():
        for value in sorted(values.unique()):
            part = (values == value).to_numpy()
            groups = images["split_group"][part].to_numpy()
            rows.append(
                {
                    "by": by,
                    "value": value,
                    "images": len(groups),
                    "groups": len(set(groups)),
                    "classes": len(set(actual[part])),
                    **with_intervals(actual[part], probabilities[part], groups, positive, settings),
                }
            )
    return pd.DataFrame(rows, columns=None if rows else ["by", "value", "images"])


def with_intervals(
    actual: Labels,
    probabilities: Floats,
    groups: NDArray[np.str_],
    positive: tuple[int, float] | None,
    settings: Evaluate,
) -> dict[str, float]:
    """The scores of one subgroup and the ends of their intervals."""

    def statistics(weights: Floats) -> dict[str, Floats]:
        matrix = confusion(actual, probabilities.argmax(1), probabilities.shape[1], weights)
        return {
            "accuracy": ratio(np.trace(matrix, axis1=1, axis2=2), matrix.sum((1, 2))),
            "balanced_accuracy": mean(rates(matrix)["sensitivity"], matrix.sum(2) > 0),
        }

    found = statistics(np.ones((1, len(actual))))
    ends = bootstrap.intervals(statistics, groups, settings)
    amounts = groups_of_shares(actual, groups)
    ends = {
        name: bootstrap.widened(values, amounts[name], settings.confidence)
        for name, values in ends.items()
    }
    if positive is not None:
        number, threshold = positive
        called = probabilities[:, number] >= threshold
        at_threshold = operating_point.scores(actual == number, called)
        of_rates = operating_point.intervals(actual == number, called, groups, settings)
        for name in ("sensitivity", "specificity"):
            found[name], ends[name] = at_threshold[name], of_rates[name]
    result: dict[str, float] = {}
    for name, value in found.items():
        result |= {
            name: float(value[0]),
            f"{name}_low": float(ends[name][0]),
            f"{name}_high": float(ends[name][1]),
        }
    return result


def nested(table: pd.DataFrame) -> dict[str, dict[str, dict[str, float | None]]]:
    """The table as `{by: {value: {score: number}}}`, ready for JSON: None where undefined."""
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for row in table.to_dict("records"):
        by, value = row.pop("by"), row.pop("value")
        numbers = {
            str(name): defined(number) if isinstance(number, float) else number
            for name, number in row.items()
        }
        found.setdefault(by, {})[value] = numbers
    return found
