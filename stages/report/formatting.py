"""How the report prints numbers and names; None is "undefined", as in the metrics files."""

from collections.abc import Mapping
from typing import Any

from cxr.plotting.display_names import display_name

Interval = Mapping[str, float | None]


def number(value: float | int | None) -> str:
    """A score with three decimals, a count as it is."""
    if value is None:
        return "undefined"
    return f"{value:z.3f}" if isinstance(value, float) else str(value)


def percent(value: float | None) -> str:
    """A share as a whole percentage."""
    return "undefined" if value is None else f"{value:.0%}"


def interval(ends: Interval | None) -> str:
    """An interval with three decimals, as its value, which would else seem to lie outside."""
    if not is_defined(ends):
        return "undefined"
    return f"{ends['low']:z.3f} to {ends['high']:z.3f}"  # type: ignore[index]


def percent_interval(ends: Interval | None) -> str:
    """The interval of a share as whole percentages."""
    if not is_defined(ends):
        return "undefined"
    return f"{percent(ends['low'])} to {percent(ends['high'])}"  # type: ignore[index]


def is_defined(ends: Interval | None) -> bool:
    """Whether both ends of an interval are known."""
    return bool(ends) and ends["low"] is not None and ends["high"] is not None  # type: ignore[index]


def capitalized(text: str) -> str:
    """The text with a capital first letter; the other letters stay as they are."""
    return text[:1].upper() + text[1:]


def setting(value: Any) -> str:
    """A value of params.yaml."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    return str(value) if value not in ("", {}) else "none"


FILTERS = {
    function.__name__: function
    for function in (number, percent, interval, capitalized, display_name)
}
"""The functions that the templates call, by name."""
