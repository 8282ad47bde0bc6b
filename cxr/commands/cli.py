"""The command line `cxr`: what can be done beside and after the pipeline.

Nothing heavy is imported before a command runs, so that help is there at once.
"""

from pathlib import Path
from typing import Any

import click

from cxr.commands.predict import POSITIVE, SENSITIVITY
from cxr.pipeline.cli import run
from cxr.pipeline.environment import configure

SCORES = ("balanced_accuracy", "accuracy", "macro_f1", "auroc", "average_precision", "mcc")

PATH = click.Path(path_type=Path)


def project() -> Path:
    """The project's folder: this one, or the nearest above it that has a dvc.yaml."""
    here = Path.cwd()
    above = (folder for folder in here.parents if (folder / "dvc.yaml").is_file())
    return Path() if (here / "dvc.yaml").is_file() else next(above, Path())


def in_project(name: str, path: str, **options: Any) -> Any:
    """An option whose default is a path in the project, from whatever folder it is asked."""
    options |= {"default": lambda: project() / path, "show_default": path}
    return click.option(name, type=PATH, **options)


def main() -> None:
    """Run a command; a mistake of the user ends it with one line on stderr and exit code 1."""
    configure()
    run(lambda: cxr(prog_name="cxr"))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cxr() -> None:
    """Use, compare and export the networks that the pipeline trains.

    The pipeline itself is run by `dvc repro`.
    """


@cxr.command()
@click.argument("images", nargs=-1, required=True, type=PATH, metavar="IMAGE...")
@click.option("--model", type=PATH, required=True, help="Such as models/resnet18.")
@click.option("--heatmaps", type=PATH, metavar="FOLDER", help="Draw heatmaps there.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on each line.")
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
    help="Share of its validation images that are found.",
)
def predict(
    images: tuple[Path, ...],
    model: Path,
    heatmaps: Path | None,
    as_json: bool,
    positive: tuple[str, ...],
    sensitivity: float,
) -> None:
    """Classify images that were in no data set.

    Files, and folders with all that is in them, of any format that `prepare` reads. The model
    folder is all that it needs. A file that can't be used is reported and the others go on; the
    exit code is then 1. For research: no result may be used for diagnosis.
    """
    from cxr.commands.predict.command import predict

    predict(list(images), model, heatmaps, as_json, list(positive), sensitivity)


@cxr.command()
@click.argument("revisions", nargs=-1, metavar="[REV]...")
@click.option(
    "--by",
    type=click.Choice(SCORES),
    default=SCORES[0],
    show_default=True,
    help="The score to rank by.",
)
@click.option(
    "--out",
    type=PATH,
    metavar="FOLDER",
    help="Also write leaderboard.md, leaderboard.csv and leaderboard.png there.",
)
def compare(revisions: tuple[str, ...], by: str, out: Path | None) -> None:
    """Rank trained networks.

    It tells what is more than noise. By default the current commit and its experiments. A
    revision is a commit, branch, tag or experiment, or `workspace`: the files as they are.
    """
    from cxr.commands.compare.command import compare

    compare(list(revisions), by, out, project())


@cxr.command()
@click.option("--against", required=True, metavar="REV", help="A commit, branch or experiment.")
@click.option("--out", type=PATH, metavar="FILE", help="Also write it there.")
@click.option(
    "--images", type=PATH, metavar="FOLDER", help="Copy the pictures of both sides there."
)
def comment(against: str, out: Path | None, images: Path | None) -> None:
    """Write the comment of a pull request.

    It says what the change does to every number. Compares the files as they are with another
    revision; both must have been reproduced.
    """
    from cxr.commands.comment.command import comment

    comment(against, out, images, project())


@cxr.command()
@click.option("--model", type=PATH, required=True, help="Such as models/resnet18.")
@click.option("--onnx", type=PATH, required=True, help="The file to write.")
def export(model: Path, onnx: Path) -> None:
    """Write a trained network as an ONNX file.

    For programs without PyTorch. The file takes 8-bit grey squares, as `prepare` makes them, and
    gives logits and calibrated probabilities; normalisation and temperature are part of it. Its
    metadata describe the model.
    """
    from cxr.commands.export import export_folder

    export_folder(model, onnx)


@cxr.command()
@in_project("--params", "params.yaml", help="The settings.")
@in_project("--pixels", "data/pixels.npy", help="What prepare wrote.")
@in_project("--split", "data/split.csv", help="What split wrote.")
@in_project("--plots", "plots/find_lr", help="A folder for the curve.")
def find_lr(params: Path, pixels: Path, split: Path, plots: Path) -> None:
    """Find a learning rate.

    Raises it from step to step and sees where the loss falls fastest (the learning rate range
    test of Smith 2017). What it suggests is written into params.yaml by hand.
    """
    from cxr.commands.find_lr import find_lr

    find_lr(params, pixels, split, plots)


@cxr.command()
@in_project("--metrics", "metrics/test.json", help="What evaluate wrote.")
def summary(metrics: Path) -> None:
    """Print the headline metrics."""
    from cxr.commands.summary import summary

    summary(metrics)
