"""Leaderboards as a plot."""

from pathlib import Path
from typing import Any

import pandas as pd

from cxr.commands.compare.render import Leaderboards
from cxr.plotting.display_names import display_name
from cxr.plotting.figures import figure

LINE_HEIGHT = 0.22
"""Of a line of a configuration's name, in inches."""


def draw_leaderboards(path: Path, leaderboards: Leaderboards, by: str, confidence: float) -> None:
    """Draw, for each comparison, the scores with intervals and the differences from the best."""
    names = [table["name"].str.replace(", ", "\n") for _, table in leaderboards]
    heights = [
        1.2 + LINE_HEIGHT * (labels.str.count("\n").max() + 1.5) * len(labels) for labels in names
    ]
    with figure(
        path,
        len(leaderboards),
        2,
        figsize=(11, sum(heights)),
        squeeze=False,
        gridspec_kw={"height_ratios": heights},
    ) as (_, axes):
        for (comparison, table), labels, (left, right) in zip(
            leaderboards, names, axes, strict=True
        ):
            draw_intervals(left, table, by)
            left.set_yticks(range(len(table)), labels)
            left.set_xlabel(f"{display_name(by)} ({confidence:.0%} interval)")
            left.set_title(comparison.title, loc="left", fontsize=9)
            draw_intervals(right, table, f"{by}_difference")
            right.axvline(0, color="black", linewidth=1)
            right.set_yticks(range(len(table)), table["result"])
            right.set_xlabel("paired difference from the best")
            for axis in (left, right):
                axis.set_ylim(len(table) - 0.5, -0.5)
                axis.locator_params(axis="x", nbins=5)


def draw_intervals(axis: Any, table: pd.DataFrame, column: str) -> None:
    """Draw a point with its interval for each row in which the column is known."""
    known = table[table[column].notna()]
    value = known[column]
    lengths = [value - known[f"{column}_low"], known[f"{column}_high"] - value]
    axis.errorbar(
        value,
        known.index,
        # A percentile interval need not contain the value, but a length can't be negative.
        xerr=[length.clip(lower=0) for length in lengths],
        fmt="o",
        capsize=3,
    )
