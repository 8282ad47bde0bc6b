"""Nested metrics as tables, whatever their keys: values beside their intervals.

A score's interval is looked for where this project's metrics files keep it: in `interval` beside
the score, by its name, or as `low` and `high` in the score's own dictionary.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.page.wording import words

Metrics = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """A value, and the ends of its interval, if it has one."""

    value: float | int | None
    ends: Mapping[str, float | None] | None = None


@dataclass(frozen=True)
class Table:
    """`rows` are a name and a cell for each of the `columns`, None where there is no value."""

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Cell | None]]]


def tables(metrics: Metrics, title: str = "") -> list[Table]:
    """All numbers of nested metrics.

    Parts that hold the same scores, such as those by class, become one table with a row for each,
    under a row `all` if the metrics around them hold these scores too. Scores that stand alone
    come first, in a table of one column.
    """
    parts = {key: value for key, value in metrics.items() if compares(value)}
    own = leaves({key: value for key, value in metrics.items() if key not in parts})
    found, told = [], set()
    for key, children in parts.items():
        by_name = {name: leaves(without_parts(child)) for name, child in children.items()}
        columns = list(dict.fromkeys(name for each in by_name.values() for name in each))
        covered = [name for name in columns if name in own]
        told.update(covered)
        rows = {"all": own} if covered else {}
        heading = ", ".join(filter(None, [title, f"by {words(key)}"]))
        found.append(
            Table(
                heading,
                [spoken(name) for name in columns],
                [
                    (name, [each.get(column) for column in columns])
                    for name, each in (rows | by_name).items()
                ],
            )
        )
        for name, child in children.items():
            deeper = {inner: value for inner, value in child.items() if compares(value)}
            found += tables(deeper, ", ".join(filter(None, [title, name])))
    alone = [(spoken(name), [cell]) for name, cell in own.items() if name not in told]
    return ([Table(title, ["value"], list(alone))] if alone else []) + found


def compares(value: Any) -> bool:
    """Whether these are two parts or more that hold the same scores."""
    if not isinstance(value, Mapping) or len(value) < 2 or is_interval(value):
        return False
    children = list(value.values())
    if not all(isinstance(child, Mapping) and not is_interval(child) for child in children):
        return False
    names = [set(leaves(without_parts(child))) for child in children]
    return bool(names[0]) and all(each == names[0] for each in names)


def without_parts(metrics: Metrics) -> Metrics:
    """The metrics less those parts that are tables of their own."""
    return {key: value for key, value in metrics.items() if not compares(value)}


def leaves(metrics: Metrics) -> dict[tuple[str, ...], Cell]:
    """Every number by its path. Texts are left out."""
    found: dict[tuple[str, ...], Cell] = {}
    ends = metrics.get("interval", {})
    for key, value in metrics.items():
        if isinstance(value, Mapping) and is_interval(value):
            middle = [one for name, one in value.items() if name not in ("low", "high")]
            found[key,] = Cell(middle[0] if middle else None, value)
        elif isinstance(value, Mapping) and key != "interval":
            found |= {(key, *path): cell for path, cell in leaves(value).items()}
        elif value is None or isinstance(value, int | float):
            of_score = ends.get(key)
            found[key,] = Cell(value, of_score if is_interval(of_score) else None)
    return found


def is_interval(value: Any) -> bool:
    """Whether a dictionary holds the ends of an interval."""
    return isinstance(value, Mapping) and {"low", "high"} <= set(value)


def spoken(path: tuple[str, ...]) -> str:
    """A path as it is spoken: `("lungs", "heat")` is "lungs: heat"."""
    return ": ".join(words(key) for key in path)
