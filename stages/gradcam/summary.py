"""What was measured of single heatmaps as means with intervals, ready for JSON."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cxr.metrics.bootstrap import (
    Floats,
    bootstrap_intervals,
    exact_if_degenerate,
    interval_to_json,
    nan_to_none,
)
from cxr.pipeline.params import Evaluate

MEASURES = (
    *("lungs_heat", "lungs_area", "lungs_excess", "lungs_hit", "border_heat", "border_area"),
    *("shift", "flip", "brightness", "other_image", "random_weights", "random_empty"),
    *("deletion", "deletion_gain", "insertion", "insertion_gain"),
)

Summary = dict[str, Any]


def by_class(measured: pd.DataFrame, classes: list[str], settings: Evaluate) -> Summary:
    """The summary of some images, and of those of each class.

    Args:
        measured: a row for each image, with `target`, `split_group`, `empty`, `perturbed` and
            all of `MEASURES`, NaN where a number is unknown.
    """
    parts = {name: measured[measured["target"] == name] for name in classes}
    of_classes = {name: summary(part, settings) for name, part in parts.items()}
    return summary(measured, settings) | {"class": of_classes}


def summary(measured: pd.DataFrame, settings: Evaluate) -> Summary:
    """Each measure's mean over the images where it is known, with its interval; None of nothing."""
    ends = intervals(measured, settings)
    means = measured[list(MEASURES)].mean()
    return {
        "images": len(measured),
        "groups": measured["split_group"].nunique(),
        "empty": int(measured["empty"].sum()),
        "perturbed": int(measured["perturbed"].sum()),
        **{name: nan_to_none(means[name]) for name in MEASURES},
        "interval": {name: ends[name] for name in MEASURES},
    }


def intervals(measured: pd.DataFrame, settings: Evaluate) -> dict[str, Summary]:
    """Bootstrap intervals over groups."""
    if measured.empty:
        return {name: {"low": None, "high": None} for name in MEASURES}
    values = measured[list(MEASURES)].to_numpy(np.float64)
    found = bootstrap_intervals(
        lambda weights: dict(zip(MEASURES, means(values, weights), strict=True)),
        measured["split_group"].to_numpy(str),
        settings,
    )
    hits = groups(measured)["lungs_hit"]
    found["lungs_hit"] = exact_if_degenerate(found["lungs_hit"], hits, settings.confidence)
    return spread(found, groups(measured))


def difference(one: pd.DataFrame, other: pd.DataFrame, settings: Evaluate) -> Summary:
    """How much higher each measure is in `one` than in `other`, with its interval.

    The groups of both are drawn together; none is in both.
    """
    both = pd.concat([one, other])
    first = np.arange(len(both)) < len(one)
    values = both[list(MEASURES)].to_numpy(np.float64)

    def statistics(weights: Floats) -> dict[str, Floats]:
        higher = means(values, weights * first) - means(values, weights * ~first)
        return dict(zip(MEASURES, higher, strict=True))

    here = statistics(np.ones((1, len(both))))
    found = bootstrap_intervals(statistics, both["split_group"].to_numpy(str), settings)
    return {
        **{name: nan_to_none(here[name][0]) for name in MEASURES},
        "interval": spread(found, groups(one).combine(groups(other), min)),
    }


def groups(measured: pd.DataFrame) -> "pd.Series[int]":
    """In how many groups each measure is known."""
    known = measured[list(MEASURES)].notna()
    return known.groupby(measured["split_group"]).any().sum()


def spread(ends: Mapping[str, Floats], known: "pd.Series[int]") -> dict[str, Summary]:
    """Intervals by name; unknown where a measure is known in one group only, which never varies."""
    return {
        name: interval_to_json(ends[name] if known[name] > 1 else np.full(2, np.nan))
        for name in MEASURES
    }


def means(values: Floats, weights: Floats) -> Floats:
    """Weighted means of what is no NaN.

    Args:
        values: (N, M).
        weights: (R, N).

    Returns:
        (M, R), NaN where nothing is known.
    """
    there = ~np.isnan(values)
    total, count = weights @ np.where(there, values, 0), weights @ there.astype(np.float64)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0).T
