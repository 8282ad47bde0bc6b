"""Where an experiment runs: DVC gives a queued one a temporary directory of its own."""

from pathlib import Path

from cxr.pipeline.errors import UserError

# Below the repository.
TEMPORARY = Path(".dvc/tmp/exps")


def queued_in() -> Path | None:
    """The repository in which the experiment that runs here was queued; None if it was not."""
    here = Path.cwd()
    outer = (folder for folder in here.parents if folder / TEMPORARY in here.parents)
    return next(outer, None)


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
        f"directory, {trouble[1]}. Write -S {key}={(repository / path).resolve()}"
    )


def left_behind(there: Path, here: Path) -> bool:
    """Whether a folder, or a file, has visible files that its copy here lacks."""
    for path in [there] if there.is_file() else there.rglob("*"):
        inside = path.relative_to(there)
        hidden = any(part.startswith(".") for part in inside.parts)
        # Git leaves out empty folders too, which nobody misses.
        folder = path.is_dir() and not path.is_symlink()
        if not hidden and not folder and not (here / inside).exists():
            return True
    return False
