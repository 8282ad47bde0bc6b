"""Leaderboards as a picture."""

from pathlib import Path

import pandas as pd

from cxr.commands.compare.boards import Board
from cxr.plotting.display_names import display_name
from cxr.plotting.figures import figure

LINE = 0.22
"""Height of a line of a configuration's name in inches."""


def draw(path: Path, tables: list[tuple[Board, pd.DataFrame]], by: str, confidence: float) -> None:
    """Draw for each board the scores with intervals, and beside them the paired differences."""
    names = [table["name"].str.replace(", ", "\n") for _, table in tables]
    heights = [1.2 + LINE * (one.str.count("\n").max() + 1.5) * len(one) for one in names]
    with figure(
        path,
        len(tables),
        2,
        figsize=(11, sum(heights)),
        squeeze=False,
        gridspec_kw={"height_ratios": heights},
    ) as (_, axes):
        for (board, table), name, (left, right) in zip(tables, names, axes, strict=True):
            intervals(left, table, by)
            left.set_yticks(range(len(table)), name)
            left.set_xlabel(f"{display_name(by)} ({confidence:.0%} interval)")
            left.set_title(board.title, loc="left", fontsize=9)
            intervals(right, table, f"{by}_difference")
            right.axvline(0, color="black", linewidth=1)
            right.set_yticks(range(len(table)), table["verdict"])
            right.set_xlabel("paired difference from the best")
            for axis in (left, right):
                axis.set_ylim(len(table) - 0.5, -0.5)
                axis.locator_params(axis="x", nbins=5)


def intervals(axis: object, table: pd.DataFrame, column: str) -> None:
    """Draw a point with its interval for each row; nothing where there is no number."""
    known = table[column].notna()
    middle = table[column][known]
    axis.errorbar(  # type: ignore[attr-defined]
        middle,
        known[known].index,
        xerr=[
            (middle - table[f"{column}_low"][known]).clip(lower=0),
            (table[f"{column}_high"][known] - middle).clip(lower=0),
        ],
        fmt="o",
        capsize=3,
    )
