"""`cxr metrics`: print the detailed metrics as tables."""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from cxr.pipeline.errors import UserError
from cxr.plotting.display_names import PROBE_NAMES, display_name

Details = dict[str, Any]

RATES = ("sensitivity", "specificity", "ppv", "f1", "auroc", "average_precision")
WIDTH = 180
"""Width of the output in characters, if it is not a terminal."""


def metrics(names: list[str], folder: Path) -> None:
    """Print some tables.

    Args:
        names: of `TABLES`; empty: all of them.
        folder: of the details that the stages wrote.

    Raises:
        UserError: if a file is missing.
    """
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    for name in names or TABLES:
        file, build = TABLES[name]
        for table in build(read_details(folder / file)):
            # A table wraps its title to its own width.
            console.print(table.title, style="bold", markup=False)
            table.title = None
            console.print(table)


def read_details(path: Path) -> Details:
    """Read a file of details.

    Raises:
        UserError: if it is missing.
    """
    try:
        details: Details = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"{path} is missing: `dvc repro` writes it, `dvc checkout` or `dvc pull` fetch it."
        ) from error
    return details


def overall_tables(test: Details) -> Iterable[Table]:
    """The scores of all test images, and those at the operating point, with intervals."""
    images = f"{test['images']} test images of {test['groups']} patients or single images"
    yield score_table(images, test, test["interval"])
    point = test["operating_point"]
    if point is not None:
        yield score_table(
            f"Operating point: {point['positive_class']}, threshold {point['threshold']:.3f}, "
            f"chosen on validation images for a sensitivity of {point['target_sensitivity']}",
            point,
            point["interval"],
        )


def class_tables(test: Details) -> Iterable[Table]:
    """The scores of each class, one against the others, with intervals."""
    yield rate_table("Classes (test images)", "class", test["class"], RATES, "support")


def subgroup_tables(test: Details) -> Iterable[Table]:
    """The scores of each subgroup of the test images, with intervals."""
    for attribute, values in test["subgroup"].items():
        rates = ("accuracy", "balanced_accuracy", "sensitivity", "specificity")
        known = [rate for rate in rates if any(rate in scores for scores in values.values())]
        title = f"Subgroups by {display_name(attribute)}"
        yield rate_table(title, display_name(attribute), values, known, "images")


def data_tables(split: Details) -> Iterable[Table]:
    """What became of the images, by class and by source."""
    for part in ("class", "source"):
        rows = {"all": split["flow"], **split[part]}
        statuses = [name for name, count in split["flow"].items() if count]
        table = new_table(f"Images by {part}", part, *statuses)
        for value, counts in rows.items():
            table.add_row(value, *(str(counts[status]) for status in statuses))
        yield table


def audit_tables(audit: Details) -> Iterable[Table]:
    """The probes of the shortcut audit beside the network."""
    table = new_table(
        f"Shortcut audit: {audit['suspicious']} suspicious probes",
        *("probe", "images", "chance", "balanced accuracy", "network gain", ""),
    )
    for probe, name in {"network": "(the network)", **PROBE_NAMES}.items():
        scores = audit[probe]
        suspicious = "suspicious" if scores.get("suspicious") else ""
        cells = (
            format_score(scores, score) if scores["images"] else "–"
            for score in ("balanced_accuracy", "network_gain")
        )
        table.add_row(
            name, str(scores["images"]), format_value(scores["chance"]), *cells, suspicious
        )
    yield table


def heatmap_tables(gradcam: Details) -> Iterable[Table]:
    """The measures of the heatmaps of test images, of all and by class."""
    test = gradcam["test"]
    columns = {"all": test, **test["class"]}
    table = new_table(
        f"Heatmaps of {test['images']} test images: {gradcam['method']} at {gradcam['layer']} "
        f"({gradcam['feature_map']})",
        "measure",
        *columns,
    )
    for measure in test["interval"]:
        cells = (format_score(part, measure) for part in columns.values())
        table.add_row(display_name(measure), *cells)
    yield table


TABLES: dict[str, tuple[str, Callable[[Details], Iterable[Table]]]] = {
    "overall": ("test.json", overall_tables),
    "classes": ("test.json", class_tables),
    "subgroups": ("test.json", subgroup_tables),
    "data": ("split.json", data_tables),
    "audit": ("audit.json", audit_tables),
    "heatmaps": ("gradcam.json", heatmap_tables),
}
"""The file and the function of each table, by name."""


def new_table(title: str, *columns: str) -> Table:
    """An empty table; all columns but the first are numbers."""
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(display_name(column), justify="right" if number else "left")
    return table


def score_table(title: str, scores: Details, intervals: Details) -> Table:
    """A row for each score that has an interval."""
    table = new_table(title, "score", "value (interval)")
    for score in intervals:
        table.add_row(display_name(score), format_score(scores, score))
    return table


def rate_table(
    title: str, first: str, parts: dict[str, Details], rates: Iterable[str], count: str
) -> Table:
    """A row for each class or subgroup: the number of images, and each rate with its interval."""
    rates = list(rates)
    table = new_table(title, first, "images", *rates)
    for name, scores in parts.items():
        table.add_row(name, str(scores[count]), *(format_score(scores, rate) for rate in rates))
    return table


def format_score(scores: Details, name: str) -> str:
    """A score with its interval."""
    value, interval = scores.get(name), scores.get("interval", {}).get(name, {})
    # Subgroups have their interval in the same dictionary.
    low, high = (interval.get(end, scores.get(f"{name}_{end}")) for end in ("low", "high"))
    if value is None or low is None or high is None:
        return format_value(value)
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def format_value(value: float | None) -> str:
    """A number, or a dash where it is undefined."""
    return "–" if value is None else f"{value:.3f}"
