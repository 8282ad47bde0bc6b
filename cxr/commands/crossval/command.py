"""`cxr crossval`: run every fold as an experiment, and pool the predictions of all."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from cxr.commands.crossval.page import write_results
from cxr.commands.crossval.pool import pool
from cxr.commands.crossval.tables import print_tables
from cxr.commands.revision_files import RevisionFiles, experiment_names, open_repo
from cxr.commands.revisions import read_run
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import load

LAST_STAGE = "evaluate"
"""The stages after it, heatmaps and the report, are not needed."""


def crossval(
    changes: list[str], folds: int | None, queue: bool, out: Path | None, project: Path
) -> None:
    """Run or queue all folds; print their pooled scores, and write them to a folder if given.

    Args:
        changes: settings such as `model=resnet18`, as for `dvc exp run -S`.
        folds: how many; None: as in the settings.
        project: the folder of params.yaml.

    Raises:
        UserError: if the settings leave nothing to cross-validate, or a fold fails.
    """
    folds = fold_count(changes, folds, load(project / "params.yaml").split.folds)
    changes = [*changes, f"split.folds={folds}"]
    if queue:
        numbers = ",".join(map(str, range(folds)))
        dvc(["exp", "run", "--queue", *options([*changes, f"split.fold={numbers}"]), LAST_STAGE])
        print(
            "Run them with `dvc exp run --run-all --jobs 2`, then this command again without "
            "--queue: what has run is taken from DVC's cache."
        )
        return
    # First, as it takes seconds: what can't be cross-validated must not cost hours of training.
    check_folds([read_test(run_fold(changes, fold, folds, "split")) for fold in range(folds)])
    runs = [read_run(run_fold(changes, fold, folds, LAST_STAGE)) for fold in range(folds)]
    result = pool(runs)
    print_tables(result)
    if out is not None:
        write_results(out, runs, result, changes)


def fold_count(changes: list[str], folds: int | None, default: int) -> int:
    """How many folds there are: by --folds, by a changed setting, or by params.yaml.

    Raises:
        UserError: if a change is not of the form key=value, selects a fold, or sets the number of
            folds in addition to --folds.
    """
    values = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals:
            raise UserError(f"-S {change}: write a setting and its value, as in -S model=resnet18.")
        values[key.lstrip("+~")] = value
    if "split.fold" in values:
        raise UserError("cxr crossval runs every fold: leave out -S split.fold.")
    if "split.folds" not in values:
        return folds or default
    if folds is not None:
        raise UserError("give either --folds or -S split.folds.")
    if not values["split.folds"].isdecimal():
        raise UserError(f"split.folds: '{values['split.folds']}' is not a number.")
    return int(values["split.folds"])


def run_fold(changes: list[str], fold: int, folds: int, stage: str) -> str:
    """Run one fold as an experiment in a temporary directory, or take it from DVC's cache.

    Args:
        stage: the last stage to run.

    Returns:
        the experiment's name, which depends on the commit and the changes. An older experiment of
        that name is replaced.

    Raises:
        UserError: if the experiment fails.
    """
    with open_repo() as repo:
        identity = json.dumps([repo.scm.get_rev(), sorted(changes)])
    name = f"crossval-{hashlib.sha256(identity.encode()).hexdigest()[:8]}-{fold}"
    if name in experiment_names():
        dvc(["exp", "remove", "--quiet", name])
    print(f"fold {fold} of {folds} up to {stage}: experiment {name}", flush=True)
    chosen = options([*changes, f"split.fold={fold}"])
    try:
        dvc(["exp", "run", "--temp", "--name", name, *chosen, stage])
    except UserError as error:
        raise UserError(f"fold {fold} of {folds} failed: see the error above.") from error
    return name


def read_test(name: str) -> list[str]:
    """The test images of an experiment."""
    split = RevisionFiles(name).table("data/split.csv", "image", "split")
    images: list[str] = split["image"][split["split"] == "test"].tolist()
    return images


def check_folds(tests: list[list[str]]) -> None:
    """Require that no image is in the test sets of two folds.

    Args:
        tests: the test images of each fold.

    Raises:
        UserError: with the first image for which this is not the case.
    """
    tested: dict[str, int] = {}
    for fold, images in enumerate(tests):
        for image in images:
            if image in tested:
                raise UserError(
                    f"{image} is a test image in fold {tested[image]} and in fold {fold}: the "
                    "test set is published or set by split.test_sources, and stays the same. Set "
                    "split.use_official_split to false and split.test_sources to [], or run one "
                    "fold with `dvc exp run`."
                )
            tested[image] = fold


def options(changes: list[str]) -> list[str]:
    """The changes as options of `dvc exp run`."""
    return [word for change in changes for word in ("--set-param", change)]


def dvc(words: list[str]) -> None:
    """Run DVC's command line.

    Raises:
        UserError: if it fails. DVC has printed the reason.
    """
    if subprocess.run([sys.executable, "-m", "dvc", *words]).returncode:
        raise UserError(f"`dvc {' '.join(words)}` failed: see the error above.")
