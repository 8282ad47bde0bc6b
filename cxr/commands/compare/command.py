"""`cxr compare`: rank trained networks, and test which differences are significant."""

import sys
from pathlib import Path

import pandas as pd

from cxr.commands.compare.configurations import group_runs
from cxr.commands.compare.leaderboard import leaderboard
from cxr.commands.compare.plot import draw_leaderboards
from cxr.commands.compare.render import render_leaderboards
from cxr.commands.revision_files import experiment_names
from cxr.commands.revisions import Run, read_run
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import atomic_write
from cxr.pipeline.params import load
from cxr.pipeline.tables import write_csv


def compare(names: list[str], by: str, out: Path | None, project: Path) -> None:
    """Print the leaderboards of some revisions, and write them to a folder if one is given.

    Args:
        names: revisions; empty: the current commit and its experiments.
        by: the score to rank by.
        project: the folder of params.yaml.
    """
    settings = load(project / "params.yaml").evaluate
    runs = [read_run(name) for name in names] or read_current_runs()
    leaderboards = [
        (comparison, leaderboard(comparison, by, settings)) for comparison in group_runs(runs)
    ]
    text = render_leaderboards(leaderboards, by, settings.confidence)
    print(text, end="")
    if out is not None:
        with atomic_write(out / "leaderboard.md") as part:
            part.write_text(text, encoding="utf-8")
        write_csv(out / "leaderboard.csv", pd.concat([table for _, table in leaderboards]))
        draw_leaderboards(out / "leaderboard.png", leaderboards, by, settings.confidence)


def read_current_runs() -> list[Run]:
    """Read the current commit and its experiments; skip those whose predictions are missing.

    Raises:
        UserError: if none is left.
    """
    runs = []
    for name in ["HEAD", *experiment_names()]:
        try:
            runs.append(read_run(name))
        except UserError as error:
            print(f"skipped: {error}", file=sys.stderr)
    if not runs:
        raise UserError("there is nothing to compare: run `dvc repro` or `dvc exp run` first.")
    return runs
