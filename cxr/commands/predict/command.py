"""What a trained network makes of images that were in no data set.

It warns of images that do not look like the training images (`cxr/models/ood.py` says how it
decides) or are in colour. How often that is wrong, on four sets of chest X-rays
(`python -m benchmarks.predict`): it doubts 0 to 6 % of further X-rays of the same set. It doubts 85
to 100 % of photographs, even grey ones, 91 to 100 % of CT slices, 99 to 100 % of inverted films, 64
to 100 % of X-rays upside down and 42 to 100 % of lateral views. Of frontal X-rays from other sets
it doubts 1 to 72 %, by how wide the training set is: that they pass says nothing about whether the
network can judge them.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from cxr.commands.predict import POSITIVE
from cxr.commands.predict.findings import Finding, Judge, check
from cxr.heatmaps.explainer import Explainer
from cxr.heatmaps.plots import draw_single
from cxr.images import new_images
from cxr.metrics.operating_point import OperatingPoint
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import file_name


def predict(
    named: list[Path],
    model: Path,
    heatmaps: Path | None,
    as_json: bool,
    positive: list[str],
    sensitivity: float,
) -> None:
    """Judge all files, print each finding.

    Args:
        named: files and folders.
        model: the model folder.
        heatmaps: a folder to draw heatmaps in.
        as_json: for machines.
        positive: the first of these that is a class is the one that must not be missed; none:
            of `POSITIVE`.
        sensitivity: share of its validation images that are found.

    Raises:
        UserError: if a file can't be used, after all others.
    """
    files = list(dict.fromkeys(new_images.listed(named)))
    if not files:
        raise UserError(f"{named[0]}: there is no file in it.")
    judge = Judge(model, positive or POSITIVE, sensitivity)
    if positive:
        check(positive, judge.info)
    explain = Explainer(judge.classifier, "GradCAM") if heatmaps else None
    if not as_json:
        print(heading(judge))
    done, bad = 0, 0
    for findings, pixels in judge.findings(files):
        places = heatmap_places(heatmaps, findings, done)
        if explain:
            draw(explain, [one for one in findings if not one.error], pixels, places)
        for finding in findings:
            heatmap = places.get(finding.image)
            if as_json:
                show_json(finding, judge.point, heatmap)
            else:
                show(finding, heatmap)
        done += len(findings)
        bad += sum(1 for finding in findings if finding.error)
    if bad:
        raise UserError(f"{bad} of {len(files)} files can't be used.")


def heading(judge: Judge) -> str:
    """What the decisions rest on, in one line."""
    what = f"{judge.info.architecture} (timm {judge.info.timm}), {judge.info.size} px"
    if judge.point is None:
        return f"{what}: the most probable class is called"
    return (
        f"{what}: predicts {judge.point.positive_class} from a probability of "
        f"{judge.point.threshold:.3f} on, which detects at least "
        f"{judge.point.target_sensitivity:.0%} of it in validation"
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
    classes = np.array([explain.classifier.info.classes.index(one.decision) for one in findings])
    blank = np.zeros_like(pixels[0])
    for one, image, heat in zip(findings, pixels, explain(pixels, classes), strict=True):
        prob = one.probabilities[one.decision]
        row = SimpleNamespace(target="", predicted=one.decision, p_predicted=prob)
        draw_single(places[one.image], row, image, heat, blank)


def show_json(finding: Finding, point: OperatingPoint | None, heatmap: Path | None) -> None:
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
