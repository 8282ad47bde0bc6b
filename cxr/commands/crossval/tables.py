"""The pooled scores on the terminal."""

import sys
from typing import Any

from rich.console import Console

from cxr.commands.metrics import RATES, WIDTH, format_score, format_value, new_table, rate_table
from cxr.plotting.display_names import display_name


def print_tables(result: dict[str, Any]) -> None:
    """Print scores, classes and the confusion matrix of what `pool` returns."""
    folds = len(result["fold"])
    scores = new_table("", "score", "pooled (interval)", f"mean of {folds} folds ± sd")
    for name in result["interval"]:
        mean, deviation = (result[f"{kind}_over_folds"][name] for kind in ("mean", "sd"))
        over_folds = f"{format_value(mean)} ± {format_value(deviation)}"
        scores.add_row(display_name(name), format_score(result, name), over_folds)
    confusion = new_table("", "actual \\ predicted", *result["confusion"], "all")
    for name, row in result["confusion"].items():
        confusion.add_row(name, *map(str, row.values()), str(sum(row.values())))
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    for title, table in (
        (
            f"{result['images']} images of {result['groups']} patients or single images, "
            "each tested once",
            scores,
        ),
        ("Classes", rate_table("", "class", result["class"], RATES, "support")),
        ("Confusion matrix", confusion),
    ):
        console.print(title, style="bold", markup=False)
        console.print(table)
