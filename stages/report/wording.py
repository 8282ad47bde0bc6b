"""Numbers as the page prints them; None is "undefined", as it is in the metrics files."""

from collections.abc import Mapping
from typing import Any

from cxr.plotting.display_names import display_name

Ends = Mapping[str, float | None]


def number(value: float | int | None) -> str:
    """A score with three decimals, a count as it is."""
    if value is None:
        return "undefined"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def percent(value: float | None) -> str:
    """A share as whole per cent."""
    return "undefined" if value is None else f"{100 * value:.0f} %"


def interval(ends: Ends | None) -> str:
    """The low and the high end of an interval, with two decimals: it is no surer than that."""
    if not known(ends):
        return "undefined"
    return f"{ends['low']:.2f} to {ends['high']:.2f}"  # type: ignore[index]


def percents(ends: Ends | None) -> str:
    """The ends of an interval of a share, as whole per cent."""
    if not known(ends):
        return "undefined"
    return f"{100 * ends['low']:.0f} to {percent(ends['high'])}"  # type: ignore[index, operator]


def known(ends: Ends | None) -> bool:
    """Whether an interval has both of its ends."""
    return bool(ends) and ends["low"] is not None and ends["high"] is not None  # type: ignore[index]


def title(text: str) -> str:
    """A text with its first letter large."""
    return text[:1].upper() + text[1:]


def setting(value: Any) -> str:
    """A value of params.yaml."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    return str(value) if value not in ("", {}) else "none"


FILTERS = {
    one.__name__: one for one in (number, percent, interval, percents, display_name, title, setting)
}
"""The names by which templates call these."""
