"""List the files in a folder, in a fixed order, without hidden and system files."""

import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from cxr.pipeline.errors import UserError
from cxr.pipeline.files import is_clutter


def visible(folder: Path, kind: Callable[[Path], bool]) -> Iterator[Path]:
    """Entries of a folder for which `kind` is true, by name, without hidden and system files."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not is_clutter(path.name) and kind(path):
            yield path


def subfolders(folder: Path) -> list[Path]:
    """The visible folders in a folder, sorted by name."""
    return list(visible(folder, Path.is_dir))


def posix_files(folder: Path, root: Path) -> list[str]:
    """All visible files below a folder as POSIX paths relative to `root`, sorted.

    Raises:
        UserError: if a name can't be written to a table, or a folder is a symbolic link to a
            folder above it or outside `root`.
    """
    if folder.is_symlink() and folder.resolve() in folder.absolute().parents:
        raise UserError(f"{folder}: this link leads to a folder above it: remove it.")
    target = folder.resolve()
    if folder != root and folder.is_symlink() and not target.is_relative_to(root.resolve()):
        raise UserError(
            f"{folder}: is a link to {target}, where DVC does not notice changes: copy that folder "
            "here, or set `inbox:` in params.yaml to it."
        )
    for path in visible(folder, Path.exists):
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in path.name):
            raise UserError(
                f"{folder}: rename {path.name!a}: it has control characters, or is not UTF-8."
            )
    files = [path.relative_to(root).as_posix() for path in visible(folder, Path.is_file)]
    return files + [name for inner in subfolders(folder) for name in posix_files(inner, root)]


def descend(folder: Path, until: Callable[[Path], bool] = lambda folder: False) -> Path:
    """Step into a folder as long as it holds exactly one sub-folder and `until` does not hold."""
    while not until(folder) and len(inside := subfolders(folder)) == 1:
        folder = inside[0]
    return folder
