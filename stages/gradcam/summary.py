"""Summary of the measures of single heatmaps: means with intervals, ready for JSON."""

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
from stages.gradcam.localization import FLOORS, region_measures

REGIONS = ("lesion", "lungs")
MEASURES = (
    *(name for region in REGIONS for name in region_measures(region)),
    *("border_heat", "border_area"),
    *("shift", "brightness", "other_image", "random_weights", "random_empty"),
    *("deletion", "deletion_gain", "insertion", "insertion_gain"),
)

Summary = dict[str, Any]


def summarize_by_class(measured: pd.DataFrame, classes: list[str], settings: Evaluate) -> Summary:
    """Summarize some images, and those of each class.

    Args:
        measured: a row for each image, with `target`, `split_group`, `empty`, `perturbed` and all
            `MEASURES`, NaN where a measure is undefined.
    """
    by_class = {name: summarize(measured[measured["target"] == name], settings) for name in classes}
    return summarize(measured, settings) | {"class": by_class}


def summarize(measured: pd.DataFrame, settings: Evaluate) -> Summary:
    """Compute the mean of each measure over the images where it is defined, with its interval."""
    ends = measure_intervals(measured, settings)
    means = measured[list(MEASURES)].mean()
    return {
        "images": len(measured),
        "groups": measured["split_group"].nunique(),
        "empty": int(measured["empty"].sum()),
        "perturbed": int(measured["perturbed"].sum()),
        **{name: nan_to_none(means[name]) for name in MEASURES},
        "interval": {name: ends[name] for name in MEASURES},
        "judgement": judge(measured, settings),
    }


def headline(measured: pd.DataFrame, settings: Evaluate) -> Summary:
    """The numbers of metrics/gradcam.json: of test images, None where undefined.

    Args:
        measured: as for `summarize_by_class`.

    Returns:
        `hit_rate` of the lesion (of the lungs where no lesion is known) and `best_floor`, the
        highest rate of what explains nothing; and the correlation of heatmaps with those after
        `small_changes` (the least stable of shift and brightness) and with those of a
        network with `random_weights`.
    """
    judged = judge(measured, settings)
    means = measured[list(MEASURES)].mean()
    return {
        "hit_rate": judged["hit_rate"],
        "best_floor": judged["best_floor"],
        "small_changes": nan_to_none(means[["shift", "brightness"]].min()),
        "random_weights": nan_to_none(means["random_weights"]),
    }


def judge(measured: pd.DataFrame, settings: Evaluate) -> Summary:
    """Judge by the hits whether the maps explain: only if they beat every floor.

    The region is the lesion, or the lungs where no lesion is known.

    Returns:
        `region`, its `hit_rate`, `best_floor` (the highest rate of a floor) and its name,
        `margin` (how much higher the hit rate is than each floor, at least), its interval's ends
        `low` and `high`, and `explains`; all None if there are no masks.
    """
    for region in REGIONS:
        names = [f"{region}_{'area' if name == 'area' else f'hit_{name}'}" for name in FLOORS]
        floors = measured[names].to_numpy(np.float64)
        hits = measured[f"{region}_hit"].to_numpy(np.float64)
        known = ~np.isnan(hits)
        groups = measured["split_group"].to_numpy(str)[known]
        if len(set(groups)) < 2:
            continue
        margins = hits[known, None] - floors[known]
        ends = bootstrap_intervals(
            lambda weights, values=margins: {"margin": nan_means(values, weights).min(0)},  # type: ignore[misc]
            groups,
            settings,
        )["margin"]
        means = floors[known].mean(0)
        return {
            "region": region,
            "hit_rate": float(hits[known].mean()),
            "best_floor": float(means.max()),
            "best_floor_name": FLOORS[means.argmax()],
            "margin": float(margins.mean(0).min()),
            **interval_to_json(ends),
            "explains": bool(ends[0] > 0),
        }
    numbers = ("hit_rate", "best_floor", "margin", "low", "high")
    return dict.fromkeys(("region", "best_floor_name", "explains", *numbers))


def measure_intervals(measured: pd.DataFrame, settings: Evaluate) -> dict[str, Summary]:
    """Compute bootstrap intervals over split groups."""
    if measured.empty:
        return {name: {"low": None, "high": None} for name in MEASURES}
    values = measured[list(MEASURES)].to_numpy(np.float64)
    ends = bootstrap_intervals(
        lambda weights: dict(zip(MEASURES, nan_means(values, weights), strict=True)),
        measured["split_group"].to_numpy(str),
        settings,
    )
    groups = groups_with_values(measured)
    for name in (f"{region}_hit" for region in REGIONS):
        ends[name] = exact_if_degenerate(ends[name], groups[name], settings.confidence)
    return named_intervals(ends, groups)


def summarize_difference(first: pd.DataFrame, second: pd.DataFrame, settings: Evaluate) -> Summary:
    """Compute how much higher each measure is in `first` than in `second`, with its interval.

    The split groups of both are resampled together; none is in both.
    """
    both = pd.concat([first, second])
    in_first = np.arange(len(both)) < len(first)
    values = both[list(MEASURES)].to_numpy(np.float64)

    def statistics(weights: Floats) -> dict[str, Floats]:
        differences = nan_means(values, weights * in_first) - nan_means(values, weights * ~in_first)
        return dict(zip(MEASURES, differences, strict=True))

    differences = statistics(np.ones((1, len(both))))
    ends = bootstrap_intervals(statistics, both["split_group"].to_numpy(str), settings)
    groups = groups_with_values(first).combine(groups_with_values(second), min)
    return {
        **{name: nan_to_none(differences[name][0]) for name in MEASURES},
        "interval": named_intervals(ends, groups),
    }


def groups_with_values(measured: pd.DataFrame) -> "pd.Series[int]":
    """Count the split groups in which each measure is defined."""
    has_value = measured[list(MEASURES)].notna()
    return has_value.groupby(measured["split_group"]).any().sum()


def named_intervals(ends: Mapping[str, Floats], groups: "pd.Series[int]") -> dict[str, Summary]:
    """Return intervals by name; undefined for a single split group, which never varies."""
    return {
        name: interval_to_json(ends[name] if groups[name] > 1 else np.full(2, np.nan))
        for name in MEASURES
    }


def nan_means(values: Floats, weights: Floats) -> Floats:
    """Compute weighted means that ignore NaN.

    Args:
        values: (N, M).
        weights: (R, N).

    Returns:
        (M, R), NaN where nothing is defined.
    """
    has_value = ~np.isnan(values)
    totals = weights @ np.where(has_value, values, 0)
    counts = weights @ has_value.astype(np.float64)
    return np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0).T
