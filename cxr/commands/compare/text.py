"""Leaderboards as text."""

import pandas as pd

from cxr.commands.compare.boards import Board
from cxr.commands.compare.leaderboard import conclusion
from cxr.commands.markdown import estimate, table
from cxr.plotting.display_names import display_name

HOW_TO_READ = """\
Differences are paired: the same resampled patients or groups for all. p is that of the paired
bootstrap, McNemar's that of the exact test on images told right or wrong; both after Holm's
correction. "worse": p below {level:g}. The best was chosen on these very images, which flatters
it."""


def page(boards: list[tuple[Board, pd.DataFrame]], by: str, confidence: float) -> str:
    """All leaderboards as markdown."""
    parts = [section(board, ranked, by) for board, ranked in boards]
    note = HOW_TO_READ.format(level=round(1 - confidence, 6))
    return "\n\n".join([*parts, f"Intervals: {confidence:.0%}. {note}"]) + "\n"


def section(board: Board, ranked: pd.DataFrame, by: str) -> str:
    """One leaderboard: the ranking, all scores, and what to know of them."""
    ranking = table(
        [
            "configuration", "runs", display_name(by), "difference from the best", "p",
            "McNemar's p", "verdict", "timm's name", "parameters", "size", "multiply-adds",
        ],
        [
            [
                row["name"],
                str(row["runs"]),
                score(row, by),
                difference(row, by),
                p(row["p"]),
                p(row["mcnemar"]),
                row["verdict"],
                row["timm"],
                f"{row['parameters'] / 1e6:.2f} M",
                f"{row['megabytes']:.1f} MB",
                f"{row['multiply_adds'] / 1e9:.2f} G",
            ]
            for row in ranked.to_dict("records")
        ],
    )  # fmt: skip
    known = [name.removesuffix("_sd") for name in ranked if name.endswith("_sd")]
    all_scores = table(
        ["configuration", *(display_name(name) for name in known), "revisions"],
        [
            [row["name"], *(score(row, name) for name in known), row["revisions"]]
            for row in ranked.to_dict("records")
        ],
    )
    notes = "\n".join(f"- {note}" for note in board.notes)
    return "\n\n".join(
        part
        for part in (f"## {board.title}", ranking, conclusion(ranked, by), all_scores, notes)
        if part
    )


def score(row: dict[str, float], name: str) -> str:
    """A score with its interval, and its spread over runs if there are several."""
    deviation = row[f"{name}_sd"]
    spread = "" if pd.isna(deviation) else f" ± {deviation:.3f}"
    return estimate(row[name], row[f"{name}_low"], row[f"{name}_high"], spread=spread)


def difference(row: dict[str, float], name: str) -> str:
    """A difference with its interval, or nothing."""
    value, low, high = (row[f"{name}_difference{end}"] for end in ("", "_low", "_high"))
    return "" if pd.isna(value) else estimate(value, low, high, "+")


def p(value: float | None) -> str:
    """A p value, or nothing."""
    return "" if value is None or pd.isna(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"
