"""Which of several trained networks is better, and whether that is more than noise."""

import sys
from pathlib import Path

import pandas as pd

from cxr.commands import revisions
from cxr.commands.compare.boards import boards
from cxr.commands.compare.leaderboard import leaderboard
from cxr.commands.compare.plot import draw
from cxr.commands.compare.text import page
from cxr.commands.revisions import Run
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import atomic_write
from cxr.pipeline.params import load


def compare(names: list[str], by: str, out: Path | None, project: Path) -> None:
    """Print the leaderboards of revisions; also write them, if there is a folder to write to.

    Args:
        names: of the revisions; none: the current commit and its experiments.
        by: the score to rank by.
        project: the folder of params.yaml.
    """
    settings = load(project / "params.yaml").evaluate
    found = [revisions.read(name) for name in names] or current()
    tables = [(board, leaderboard(board, by, settings)) for board in boards(found)]
    text = page(tables, by, settings.confidence)
    print(text, end="")
    if out is not None:
        with atomic_write(out / "leaderboard.md") as part:
            part.write_text(text, encoding="utf-8")
        with atomic_write(out / "leaderboard.csv") as part:
            pd.concat([table for _, table in tables]).to_csv(
                part, index=False, lineterminator="\n", float_format="%.6g"
            )
        draw(out / "leaderboard.png", tables, by, settings.confidence)


def current() -> list[Run]:
    """The current commit and its experiments, as far as DVC still has their predictions.

    Raises:
        UserError: if it has none.
    """
    found = []
    for name in ["HEAD", *revisions.experiments()]:
        try:
            found.append(revisions.read(name))
        except UserError as error:
            print(f"left out: {error}", file=sys.stderr)
    if not found:
        raise UserError("nothing to compare: `dvc repro` or `dvc exp run` makes a first run.")
    return found
