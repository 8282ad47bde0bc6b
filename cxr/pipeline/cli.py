"""The command line of a stage, and how it reports errors."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from cxr.pipeline.errors import UserError

GO_BACK = "To go back to the results of the last commit: git checkout params.yaml && dvc repro"

EXPERIMENTS = "/.dvc/tmp/exps/"
"""Where DVC runs queued experiments."""


def paths(description: str, *names: str) -> argparse.Namespace:
    """Read a stage's command line.

    Args:
        description: what the stage does, shown by `--help`.
        names: the stage's files; each is a required option `--name PATH`.

    Returns:
        a namespace with one `Path` for each name.
    """
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    for name in names:
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, required=True)
    return parser.parse_args()


def run(stage: Callable[[], None]) -> None:
    """Run a stage; print a `UserError` or an `OSError` as one line on stderr, and exit with 1.

    If DVC runs the stage, it has already removed the outputs: a second line says how to get the
    previous ones back. A queued experiment runs in a folder of its own, and removed nothing.
    """
    try:
        stage()
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        if "DVC_STAGE" in os.environ and EXPERIMENTS not in Path.cwd().as_posix():
            print(GO_BACK, file=sys.stderr)
        sys.exit(1)
