"""Tables and numbers as markdown."""

import math
from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines
    )


def estimate(value: float, low: float, high: float, sign: str = "", spread: str = "") -> str:
    """A number with its interval.

    Args:
        value, low, high: NaN where there is none.
        sign: "+" for a change.
        spread: stands behind the number, such as its standard deviation.
    """
    if math.isnan(value):
        return "undefined"
    ends = f"{low:{sign}.3f} to {high:{sign}.3f}" if low <= high else "interval undefined"
    return f"{value:{sign}.3f}{spread} ({ends})"
