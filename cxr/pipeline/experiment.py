"""Experiments in temporary directories, where DVC runs those that are queued."""

import re
import shlex
import subprocess
from pathlib import Path

from cxr.pipeline.errors import UserError
from cxr.pipeline.files import is_clutter

TEMPORARY = Path(".dvc/tmp/exps")
"""DVC's temporary directories, relative to the repository."""


def queued_in() -> Path | None:
    """The repository in which the experiment in this directory was queued; None if it was not."""
    here = Path.cwd()
    outer = (folder for folder in here.parents if folder / TEMPORARY in here.parents)
    return next(outer, None)


def check_complete_history() -> None:
    """Check that a queued experiment was not queued in a shallow clone.

    In a shallow clone, git can't fetch the results from the temporary directory.

    Raises:
        UserError: with the command that completes the clone.
    """
    repository = queued_in()
    if repository is None:
        return
    command = ["git", "-C", str(repository), "rev-parse", "--is-shallow-repository"]
    if subprocess.run(command, capture_output=True, text=True).stdout.strip() == "true":
        raise UserError(
            f"{repository}: this is a shallow clone, in which the results of queued experiments "
            "would be lost. Run `git fetch --unshallow` there first."
        )


def check_path_in_experiment(key: str, path: str, used: bool = True) -> None:
    """Check that a path in the settings is the same in a temporary directory.

    A relative path is not if it leaves the repository, or if it contains files that git does not
    track, because only tracked files are copied to the temporary directory.

    Args:
        key: of the path in params.yaml.
        used: whether the files at the path are needed.

    Raises:
        UserError: with the absolute path to write instead.
    """
    here, repository = Path.cwd(), queued_in()
    if repository is None or Path(path).is_absolute():
        return
    if not (here / path).resolve().is_relative_to(here):
        problem = "leaves the repository", "where it is another folder"
    elif used and has_missing_files(repository / path, here / path):
        problem = "contains files that git does not track", "where they are missing"
    else:
        return
    raise UserError(
        f"params.yaml: {key}: '{path}' {problem[0]}, but this experiment runs in a temporary "
        f"directory, {problem[1]}. Write -S {setting(key, (repository / path).resolve())}"
    )


def setting(key: str, path: Path) -> str:
    """The argument of -S on a command line, quoted for Hydra in DVC and for the shell."""
    text = str(path)
    if not re.fullmatch(r"[\w./-]+", text, re.ASCII):
        text = '"' + text.replace('"', r"\"") + '"'
    return shlex.quote(f"{key}={text}")


def has_missing_files(original: Path, copy: Path) -> bool:
    """Whether a folder or a file has visible files that are missing in its copy."""
    for path in [original] if original.is_file() else original.rglob("*"):
        inside = path.relative_to(original)
        hidden = any(is_clutter(part) for part in inside.parts)
        # Git does not track empty folders, and they are not needed.
        folder = path.is_dir() and not path.is_symlink()
        if not hidden and not folder and not (copy / inside).exists():
            return True
    return False
