"""The command line `cxr`: use, compare and export what the pipeline trains.

Heavy libraries are imported only when a command runs, so that help appears at once.
"""

from pathlib import Path
from typing import Any

import click

from cxr.commands.predict import POSITIVE, SENSITIVITY
from cxr.pipeline.cli import run
from cxr.pipeline.environment import configure

SCORES = ("balanced_accuracy", "accuracy", "macro_f1", "auroc", "average_precision", "mcc")

TABLES = ("overall", "classes", "subgroups", "data", "audit", "heatmaps")

PATH = click.Path(path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
"""For results: a file of that name is refused before the work starts, not after it."""


def project() -> Path:
    """The project's folder: the current one, or the nearest parent with a dvc.yaml."""
    here = Path.cwd()
    parents = (folder for folder in here.parents if (folder / "dvc.yaml").is_file())
    return Path() if (here / "dvc.yaml").is_file() else next(parents, Path())


def project_option(name: str, path: str, **options: Any) -> Any:
    """An option whose default is a path in the project, whatever the current folder."""
    defaults: dict[str, Any] = {
        "type": PATH,
        "default": lambda: project() / path,
        "show_default": path,
    }
    return click.option(name, **(defaults | options))


def main() -> None:
    """Run a command; a user error ends it with one line on stderr and exit code 1."""
    configure()
    run(lambda: cxr(prog_name="cxr"))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cxr() -> None:
    """Use, compare and export the networks that the pipeline trains.

    To run the pipeline itself, use `dvc repro`.
    """


@cxr.command()
@click.argument("images", nargs=-1, required=True, type=PATH, metavar="IMAGE...")
@click.option("--model", type=PATH, required=True, help="The model folder: models/resnet18.")
@click.option(
    "--heatmaps", type=FOLDER, metavar="FOLDER", help="Draw a heatmap of each image there."
)
@project_option(
    "--measured",
    "metrics/details/gradcam.json",
    help="Where the gradcam stage says whether heatmaps of this model can be believed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per image.")
@click.option(
    "--positive",
    multiple=True,
    metavar="CLASS",
    help=f"The class that must not be missed (default: {' or '.join(POSITIVE)}).",
)
@click.option(
    "--sensitivity",
    type=click.FloatRange(0, 1, min_open=True),
    default=SENSITIVITY,
    show_default=True,
    help="Target sensitivity to that class; the threshold is chosen on validation images.",
)
def predict(
    images: tuple[Path, ...],
    model: Path,
    heatmaps: Path | None,
    measured: Path,
    as_json: bool,
    positive: tuple[str, ...],
    sensitivity: float,
) -> None:
    """Classify new images.

    IMAGE is a file, or a folder that is searched recursively, in any format that the pipeline
    reads (PNG, JPEG, TIFF, BMP, DICOM). Only the model folder is needed, not the rest of the
    project. Files that can't be used are reported and skipped; the exit code is then 1. For
    research only, not for diagnosis.
    """
    from cxr.commands.predict.command import predict

    predict(list(images), model, heatmaps, measured, as_json, list(positive), sensitivity)


@cxr.command()
@click.argument("revisions", nargs=-1, metavar="[REV]...")
@click.option(
    "--by",
    type=click.Choice(SCORES),
    default=SCORES[0],
    show_default=True,
    metavar="SCORE",
    help=f"The score to rank by: {', '.join(SCORES)}.",
)
@click.option(
    "--out",
    type=FOLDER,
    metavar="FOLDER",
    help="Also write leaderboard.md, leaderboard.csv and leaderboard.png there.",
)
def compare(revisions: tuple[str, ...], by: str, out: Path | None) -> None:
    """Rank trained networks, with significance tests.

    REV is a commit, branch, tag or experiment, or `workspace` for the current files. Without REV,
    the current commit and its experiments are compared.
    """
    from cxr.commands.compare.command import compare

    compare(list(revisions), by, out, project())


@cxr.command()
@click.option("--against", required=True, metavar="REV", help="A commit, branch or experiment.")
@click.option("--out", type=PATH, metavar="FILE", help="Also write the comment to this file.")
@click.option("--plots", type=FOLDER, metavar="FOLDER", help="Copy the plots of both there.")
def comment(against: str, out: Path | None, plots: Path | None) -> None:
    """Compare the workspace with a revision, for a pull request.

    Prints a comment in markdown: metrics, settings, data, shortcut audit, heatmaps and confusion
    matrices of both. Both must have been reproduced with `dvc repro`.
    """
    from cxr.commands.comment.command import comment

    comment(against, out, plots, project())


@cxr.command()
@click.option(
    "-S",
    "--set-param",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting, as in `dvc exp run`; may be given several times.",
)
@click.option("--folds", type=click.IntRange(3), help="How many (default: split.folds).")
@click.option("--queue", is_flag=True, help="Queue the folds as experiments, and run nothing.")
@click.option(
    "--out",
    type=FOLDER,
    metavar="FOLDER",
    help="Also write crossval.json, predictions.csv, confusion.png and index.html there.",
)
def crossval(changes: tuple[str, ...], folds: int | None, queue: bool, out: Path | None) -> None:
    """Cross-validate: run every fold, and pool the predictions.

    Each fold is an experiment in a temporary directory, so that the workspace stays as it is. The
    test images of all folds are scored as one test set, with intervals over patients, beside the
    mean of the folds. Folds that have run before come from DVC's cache.
    """
    from cxr.commands.crossval.command import crossval

    crossval(list(changes), folds, queue, out, project())


@cxr.command()
@click.option("--model", type=PATH, required=True, help="The model folder: models/resnet18.")
@click.option("--onnx", type=PATH, required=True, metavar="FILE", help="The file to write.")
def export(model: Path, onnx: Path) -> None:
    """Export a trained network to ONNX.

    For programs without PyTorch. The input is 8-bit grey squares, as `prepare` makes them; the
    outputs are logits and calibrated probabilities. Normalization and temperature are included,
    and the file's metadata describe the model.
    """
    from cxr.commands.export import export_folder

    export_folder(model, onnx)


@cxr.command()
@project_option("--params", "params.yaml", help="The settings.")
@project_option("--pixels", "data/pixels.npy", help="The images, from prepare.")
@project_option("--split", "data/split.csv", help="The split, from split.")
@project_option(
    "--plots", "plots/find_lr", type=FOLDER, metavar="FOLDER", help="Where to write the curve."
)
def find_lr(params: Path, pixels: Path, split: Path, plots: Path) -> None:
    """Suggest a learning rate.

    Learning rate range test (Smith 2017): raises the learning rate step by step, and suggests the
    one at which the loss falls fastest. Write it into params.yaml yourself.
    """
    from cxr.commands.find_lr import find_lr

    find_lr(params, pixels, split, plots)


@cxr.command()
@click.argument("tables", nargs=-1, type=click.Choice(TABLES), metavar="[TABLE]...")
@project_option("--details", "metrics/details", metavar="FOLDER", help="What the stages wrote.")
def metrics(tables: tuple[str, ...], details: Path) -> None:
    """Print detailed metrics with their intervals.

    TABLE is overall, classes, subgroups, data, audit or heatmaps; without it, all are printed.
    `dvc metrics show` prints the headline metrics only.
    """
    from cxr.commands.metrics import metrics

    metrics(list(tables), details)
