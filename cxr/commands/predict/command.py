"""What a trained network makes of images that were in no data set.

    cxr predict IMAGE... --model models/resnet18 [--heatmaps FOLDER] [--json]

Files, and folders with all that is in them, of any format that `prepare` reads. The model folder
is all that it needs. A file that can't be used is reported and the others go on; the exit code is
then 1. For research: no result may be used for diagnosis.

It warns of images that do not look like the training images (`cxr/models/ood.py` says how it
decides) or are in colour. How often that is wrong, on four sets of chest X-rays
(`python -m benchmarks.predict`): it doubts 0 to 6 % of further X-rays of the same set. It doubts 85
to 100 % of photographs, even grey ones, 91 to 100 % of CT slices, 99 to 100 % of inverted films, 64
to 100 % of X-rays upside down and 42 to 100 % of lateral views. Of frontal X-rays from other sets
it doubts 1 to 72 %, by how wide the training set is: that they pass says nothing about whether the
network can judge them.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from cxr.commands.predict.findings import Finding, Judge, Point, check
from cxr.heatmaps import plots
from cxr.heatmaps.explainer import Explainer
from cxr.images import new_images
from cxr.pipeline import cli
from cxr.pipeline.cli import UserError
from cxr.pipeline.files import file_name

# As in params.yaml; a model folder may be far from one.
POSITIVE = ["COVID", "COVID-19", "COVID19"]
SENSITIVITY = 0.95


def main() -> None:
    """Read the command line, judge all files, print each finding."""
    options = arguments()
    files = list(dict.fromkeys(new_images.listed(options.images)))
    if not files:
        raise UserError(f"{options.images[0]}: there is no file in it.")
    judge = Judge(options.model, options.positive or POSITIVE, options.sensitivity)
    if options.positive:
        check(options.positive, judge.card)
    explain = Explainer(judge.network, judge.card, "GradCAM") if options.heatmaps else None
    if not options.json:
        print(heading(judge))
    done, bad = 0, 0
    for findings, pixels in judge.findings(files):
        places = heatmap_places(options.heatmaps, findings, done)
        if explain:
            draw(explain, [one for one in findings if not one.error], pixels, places)
        for finding in findings:
            heatmap = places.get(finding.image)
            if options.json:
                show_json(finding, judge.point, heatmap)
            else:
                show(finding, heatmap)
        done += len(findings)
        bad += sum(1 for finding in findings if finding.error)
    if bad:
        raise UserError(f"{bad} of {len(files)} files can't be used.")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="cxr predict",
        description="What a trained network makes of images that were in no data set.",
        epilog="Not for diagnosis.",
    )
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="files or folders")
    parser.add_argument("--model", type=Path, required=True, help="such as models/resnet18")
    parser.add_argument("--heatmaps", type=Path, metavar="FOLDER", help="draw heatmaps there")
    parser.add_argument("--json", action="store_true", help="one JSON object on each line")
    parser.add_argument(
        "--positive",
        action="append",
        metavar="CLASS",
        help=f"the class that must not be missed (default: {' or '.join(POSITIVE)})",
    )
    parser.add_argument(
        "--sensitivity",
        type=share,
        default=SENSITIVITY,
        help="share of its validation images that are found (default: %(default)s)",
    )
    return parser.parse_args()


def share(text: str) -> float:
    """A number above 0, at most 1."""
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError("more than 0, at most 1")
    return value


def heading(judge: Judge) -> str:
    """What the decisions rest on, in one line."""
    what = f"{judge.card.architecture} (timm {judge.card.timm}), {judge.card.size} px"
    if judge.point is None:
        return f"{what}: the most probable class is called"
    return (
        f"{what}: {judge.point.positive} is called from {judge.point.threshold:.3f} on, which "
        f"finds at least {judge.point.sensitivity:.0%} of it in validation"
    )


def heatmap_places(folder: Path | None, findings: list[Finding], before: int) -> dict[str, Path]:
    """Where each image's heatmap goes: numbered, because two files may have the same name."""
    if folder is None:
        return {}
    return {
        one.image: folder / f"{number:04}-{file_name(Path(one.image).stem)[:80]}.png"
        for number, one in enumerate(findings, start=before + 1)
        if not one.error
    }


def draw(
    explain: Explainer,
    findings: list[Finding],
    pixels: NDArray[np.uint8],
    places: dict[str, Path],
) -> None:
    """Write the heatmap for the class that each image is called."""
    if not findings:
        return
    classes = np.array([explain.card.classes.index(one.decision) for one in findings])
    blank = np.zeros_like(pixels[0])
    for one, image, heat in zip(findings, pixels, explain(pixels, classes), strict=True):
        believed = one.probabilities[one.decision]
        row = SimpleNamespace(label="", predicted=one.decision, p_predicted=believed)
        plots.single(places[one.image], row, image, heat, blank)


def show_json(finding: Finding, point: Point | None, heatmap: Path | None) -> None:
    """Print one finding for machines."""
    content = finding.as_json()
    if not finding.error:
        content["operating_point"] = asdict(point) if point else None
        content["heatmap"] = str(heatmap) if heatmap else None
    print(json.dumps(content), flush=True)


def show(finding: Finding, heatmap: Path | None) -> None:
    """Print one finding for people; what can't be used goes to stderr."""
    if finding.error:
        print(f"{finding.image}: {finding.error}", file=sys.stderr, flush=True)
        return
    shares = ", ".join(f"{name} {value:.2f}" for name, value in finding.probabilities.items())
    print(f"{finding.image}: {finding.decision} ({shares})")
    for warning in finding.warnings:
        print(f"  warning: {warning}")
    if heatmap:
        print(f"  heatmap: {heatmap}", flush=True)


if __name__ == "__main__":
    cli.run(main)
