"""How a stage is started: paths from its command line, mistakes of the user in one line."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path


class UserError(Exception):
    """A mistake in the input that its user can mend.

    The message is one line that says what is wrong, where, and how to mend it.
    """


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
    """Run a stage; a mistake of the user ends it with one line on stderr and exit code 1.

    That is a `UserError`, or a file that can't be read or written.
    """
    try:
        stage()
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
