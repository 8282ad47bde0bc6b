"""Leaderboards as markdown."""

import pandas as pd

from cxr.commands.compare.configurations import Comparison
from cxr.commands.compare.leaderboard import conclusion
from cxr.commands.markdown import format_estimate, markdown_table
from cxr.plotting.display_names import display_name

HOW_TO_READ = """\
Intervals: {confidence:.0%}. Differences are paired: all configurations are scored on the same
resamples of patients or single images. p is from the paired bootstrap, McNemar's p from the exact
test on correctly classified images, both with Holm's correction. Significant: p below {level:g}.
The best was selected on these test images, so its score is optimistic."""

Leaderboards = list[tuple[Comparison, pd.DataFrame]]


def render_leaderboards(leaderboards: Leaderboards, by: str, confidence: float) -> str:
    """All leaderboards as one markdown text."""
    sections = [render_section(comparison, table, by) for comparison, table in leaderboards]
    note = HOW_TO_READ.format(confidence=confidence, level=round(1 - confidence, 6))
    return "\n\n".join([*sections, note]) + "\n"


def render_section(comparison: Comparison, table: pd.DataFrame, by: str) -> str:
    """One leaderboard: ranking, conclusion, all scores, notes."""
    rows = table.to_dict("records")
    ranking = markdown_table(
        [
            "configuration", "runs", display_name(by), "difference from the best", "p",
            "McNemar's p", "result", "timm name", "parameters", "size", "multiply-adds",
        ],
        [
            [
                row["name"],
                str(row["runs"]),
                format_score(row, by),
                format_difference(row, by),
                format_p(row["p"]),
                format_p(row["mcnemar_p"]),
                row["result"],
                row["timm"],
                f"{row['parameters'] / 1e6:.2f} M",
                f"{row['megabytes']:.1f} MB",
                f"{row['multiply_adds'] / 1e9:.2f} G",
            ]
            for row in rows
        ],
    )  # fmt: skip
    scores = [name.removesuffix("_sd") for name in table if name.endswith("_sd")]
    all_scores = markdown_table(
        ["configuration", *(display_name(score) for score in scores), "revisions"],
        [
            [row["name"], *(format_score(row, score) for score in scores), row["revisions"]]
            for row in rows
        ],
    )
    notes = "\n".join(f"- {note}" for note in comparison.notes)
    parts = (f"## {comparison.title}", ranking, conclusion(table, by), all_scores, notes)
    return "\n\n".join(part for part in parts if part)


def format_score(row: dict[str, float], score: str) -> str:
    """A score with its interval, and its standard deviation if there are several runs."""
    sd = row[f"{score}_sd"]
    deviation = "" if pd.isna(sd) else f" ± {sd:.3f}"
    value, low, high = (row[f"{score}{suffix}"] for suffix in ("", "_low", "_high"))
    return format_estimate(value, low, high, deviation=deviation)


def format_difference(row: dict[str, float], score: str) -> str:
    """A difference from the best with its interval; empty if undefined."""
    value, low, high = (row[f"{score}_difference{suffix}"] for suffix in ("", "_low", "_high"))
    return "" if pd.isna(value) else format_estimate(value, low, high, "+")


def format_p(p: float | None) -> str:
    """A p-value; empty if undefined."""
    return "" if p is None or pd.isna(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
