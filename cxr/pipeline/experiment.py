"""Where an experiment runs: DVC gives a queued one a temporary directory of its own."""

import re
import shlex
import subprocess
from pathlib import Path

from cxr.pipeline.errors import UserError
from cxr.pipeline.files import is_clutter

# Below the repository.
TEMPORARY = Path(".dvc/tmp/exps")


def queued_in() -> Path | None:
    """The repository in which the experiment that runs here was queued; None if it was not."""
    here = Path.cwd()
    outer = (folder for folder in here.parents if folder / TEMPORARY in here.parents)
    return next(outer, None)


def check_complete_history() -> None:
    """Refuse a queued experiment of a shallow clone: git could not bring its results back.

    Raises:
        UserError: with the command that completes the clone.
    """
    repository = queued_in()
    if repository is None:
        return
    command = ["git", "-C", str(repository), "rev-parse", "--is-shallow-repository"]
    if subprocess.run(command, capture_output=True, text=True).stdout.strip() == "true":
        raise UserError(
            f"{repository}: this is a shallow clone, from which git loses the results of "
            "experiments in temporary directories. Run `git fetch --unshallow` there first."
        )


def check_path_in_experiment(key: str, path: str, used: bool = True) -> None:
    """Refuse a relative path that is another place, or lacks files, in a temporary directory.

    Args:
        key: of params.yaml, where the path stands.
        used: whether the files there matter; only git's are in the temporary directory.

    Raises:
        UserError: with the absolute path to write instead.
    """
    here, repository = Path.cwd(), queued_in()
    if repository is None or Path(path).is_absolute():
        return
    if not (here / path).resolve().is_relative_to(here):
        trouble = "leaves the repository", "where that is another place"
    elif used and left_behind(repository / path, here / path):
        trouble = "holds files that git does not track", "where they are not"
    else:
        return
    raise UserError(
        f"params.yaml: {key}: '{path}' {trouble[0]}, but this experiment runs in a temporary "
        f"directory, {trouble[1]}. Write -S {setting(key, (repository / path).resolve())}"
    )


def setting(key: str, path: Path) -> str:
    """What stands behind -S on a command line, for Hydra in DVC and before it for the shell."""
    text = str(path)
    if not re.fullmatch(r"[\w./-]+", text, re.ASCII):
        text = '"' + text.replace('"', r"\"") + '"'
    return shlex.quote(f"{key}={text}")


def left_behind(there: Path, here: Path) -> bool:
    """Whether a folder, or a file, has visible files that its copy here lacks."""
    for path in [there] if there.is_file() else there.rglob("*"):
        inside = path.relative_to(there)
        hidden = any(is_clutter(part) for part in inside.parts)
        # Git leaves out empty folders too, which nobody misses.
        folder = path.is_dir() and not path.is_symlink()
        if not hidden and not folder and not (here / inside).exists():
            return True
    return False
