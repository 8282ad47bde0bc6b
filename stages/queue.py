"""Where an experiment runs: DVC gives a queued one a temporary directory of its own."""

from pathlib import Path

# Below the repository.
TEMPORARY = Path(".dvc/tmp/exps")


def queued_in() -> Path | None:
    """The repository in which the experiment that runs here was queued; None if it was not."""
    here = Path.cwd()
    outer = (folder for folder in here.parents if folder / TEMPORARY in here.parents)
    return next(outer, None)
