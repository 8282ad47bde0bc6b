"""Markdown tables, and numbers with intervals."""

import math
from collections.abc import Sequence


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines
    )


def format_estimate(
    value: float, low: float, high: float, sign: str = "", deviation: str = ""
) -> str:
    """A number with its interval.

    Args:
        value, low, high: NaN where undefined.
        sign: "+" to print the sign of positive numbers.
        deviation: text after the number, such as its standard deviation.
    """
    if math.isnan(value):
        return "undefined"
    interval = f"{low:{sign}.3f} to {high:{sign}.3f}" if low <= high else "interval undefined"
    return f"{value:{sign}.3f}{deviation} ({interval})"
