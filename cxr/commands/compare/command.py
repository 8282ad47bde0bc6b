"""compare: which of several trained networks is better, and whether that is more than noise.

By default the current commit and its experiments. A revision is a commit, branch, tag or
experiment, or `workspace`: the files as they are.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from cxr.commands import revisions
from cxr.commands.compare.boards import boards
from cxr.commands.compare.leaderboard import leaderboard
from cxr.commands.compare.plot import draw
from cxr.commands.compare.text import page
from cxr.commands.revisions import Run
from cxr.pipeline import cli
from cxr.pipeline.cli import UserError
from cxr.pipeline.files import whole
from cxr.pipeline.params import load

SCORES = ("balanced_accuracy", "accuracy", "macro_f1", "auroc", "average_precision", "mcc")


def main() -> None:
    options = arguments()
    settings = load(Path("params.yaml")).evaluate
    found = [revisions.read(name) for name in options.revisions] or current()
    tables = [(board, leaderboard(board, options.by, settings)) for board in boards(found)]
    text = page(tables, options.by, settings.confidence)
    print(text, end="")
    if options.out is not None:
        with whole(options.out / "leaderboard.md") as part:
            part.write_text(text, encoding="utf-8")
        with whole(options.out / "leaderboard.csv") as part:
            pd.concat([table for _, table in tables]).to_csv(
                part, index=False, lineterminator="\n", float_format="%.6g"
            )
        draw(options.out / "leaderboard.png", tables, options.by, settings.confidence)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="cxr compare", description=__doc__, allow_abbrev=False)
    parser.add_argument("revisions", nargs="*", metavar="REV")
    parser.add_argument("--by", choices=SCORES, default=SCORES[0], help="the score to rank by")
    parser.add_argument(
        "--out", type=Path, help="a folder for leaderboard.md, leaderboard.csv and leaderboard.png"
    )
    return parser.parse_args()


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


if __name__ == "__main__":
    cli.run(main)
