"""Tables and numbers as markdown."""

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines
    )


def words(score: str) -> str:
    """A score's name for people."""
    return score.replace("sensitivity_", "sensitivity to ").replace("_", " ")


def interval(value: float, low: float, high: float, sign: str = "") -> str:
    """A number with its interval; `sign` "+" for a change."""
    return f"{value:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"
