"""`cxr predict`: classify new images with a trained network.

It warns of images that do not look like the training images (`cxr/models/ood.py` explains how) or
are in colour. Share of images with a warning, on four chest X-ray data sets (`python -m
benchmarks.predict`): 0 to 6% of other X-rays of the same data set; 85 to 100% of photographs, even
grey ones; 91 to 100% of CT slices; 99 to 100% of inverted films; 64 to 100% of X-rays upside down;
42 to 100% of lateral views. Frontal X-rays of other data sets get a warning in 1 to 72%, depending
on how diverse the training set is: without a warning, the network can still be wrong on them.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from cxr.commands.predict import POSITIVE
from cxr.commands.predict.predictor import Prediction, Predictor
from cxr.heatmaps.belief import Verdict
from cxr.heatmaps.explainer import Explainer
from cxr.heatmaps.plots import draw_single
from cxr.heatmaps.recorded import recorded_heatmaps
from cxr.images import new_images
from cxr.metrics.operating_point import OperatingPoint, find_positive_class
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import file_name


def predict(
    paths: list[Path],
    model: Path,
    heatmaps: Path | None,
    measured: Path,
    as_json: bool,
    positive: list[str],
    sensitivity: float,
) -> None:
    """Classify files, and print a prediction for each.

    Args:
        paths: files, and folders of files.
        model: the model folder.
        heatmaps: a folder to draw heatmaps in.
        measured: metrics/details/gradcam.json, what the gradcam stage measured; may be missing.
            Heatmaps are made by the method and layer that it records for this model.
        as_json: print one JSON object for each image.
        positive: candidates for the class that must not be missed; empty: `POSITIVE`.
        sensitivity: target of the operating point, in (0, 1].

    Raises:
        UserError: if `measured` is damaged; after all predictions, if a file can't be used.
    """
    files = list(dict.fromkeys(new_images.listed(paths)))
    if not files:
        raise UserError(f"{paths[0]}: there are no files in this folder.")
    predictor = Predictor(model, positive or POSITIVE, sensitivity)
    if positive:
        check_positive_class(positive, predictor.info.classes)
    explain, verdict = None, Verdict("")
    if heatmaps:
        method, layer, verdict = recorded_heatmaps(measured, model)
        explain = Explainer(predictor.classifier, method, layer)
    if not as_json:
        print(describe_model(predictor), *([verdict.overall] if explain else []), sep="\n")
    done = errors = 0
    for predictions, pixels in predictor.predict(files):
        heatmap_paths = number_heatmaps(heatmaps, predictions, done)
        if explain:
            usable = [prediction for prediction in predictions if not prediction.error]
            draw_heatmaps(explain, usable, pixels, heatmap_paths, verdict)
        for prediction in predictions:
            heatmap = heatmap_paths.get(prediction.image)
            if as_json:
                print_json(prediction, predictor.operating_point, heatmap, verdict)
            else:
                print_text(prediction, heatmap)
        done += len(predictions)
        errors += sum(bool(prediction.error) for prediction in predictions)
    if errors:
        raise UserError(f"{errors} of {len(files)} files can't be used (see above).")


def check_positive_class(names: list[str], classes: list[str]) -> None:
    """Check that one of the names is a class of the network.

    Raises:
        UserError: if not.
    """
    if find_positive_class(names, classes) is None:
        raise UserError(
            f"--positive: '{names[0]}' is not a class of this network, which has "
            f"{', '.join(classes)}."
        )


def describe_model(predictor: Predictor) -> str:
    """The network and its decision rule, in one line."""
    info, point = predictor.info, predictor.operating_point
    network = f"{info.architecture} (timm: {info.timm}), {info.size} px"
    if point is None:
        return f"{network}; decision: the most probable class"
    return (
        f"{network}; decision: {point.positive_class} if its probability is at least "
        f"{point.threshold:.3f} (chosen on validation images for a sensitivity of "
        f"{point.target_sensitivity:.0%}), else the most probable other class"
    )


def number_heatmaps(
    folder: Path | None, predictions: list[Prediction], before: int
) -> dict[str, Path]:
    """The path of each heatmap. It has a number, because two files may have the same name.

    Args:
        before: number of predictions in earlier batches.
    """
    if folder is None:
        return {}
    return {
        prediction.image: folder / f"{number:04}-{file_name(Path(prediction.image).stem)[:80]}.png"
        for number, prediction in enumerate(predictions, start=before + 1)
        if not prediction.error
    }


def draw_heatmaps(
    explain: Explainer,
    predictions: list[Prediction],
    pixels: NDArray[np.uint8],
    paths: dict[str, Path],
    verdict: Verdict,
) -> None:
    """Write the heatmap of each image for the class that it is assigned to."""
    if not predictions:
        return
    classes = explain.classifier.info.classes
    decisions = np.array([classes.index(prediction.decision) for prediction in predictions])
    heatmaps = explain(pixels, decisions)
    for prediction, image, heatmap in zip(predictions, pixels, heatmaps, strict=True):
        prob = prediction.probabilities[prediction.decision]
        row = SimpleNamespace(target="", predicted=prediction.decision, p_predicted=prob)
        draw_single(paths[prediction.image], row, image, heatmap, verdict.of_class(row.predicted))


def print_json(
    prediction: Prediction, point: OperatingPoint | None, heatmap: Path | None, verdict: Verdict
) -> None:
    """Print a prediction as one line of JSON."""
    content = prediction.to_json()
    if not prediction.error:
        content["operating_point"] = asdict(point) if point else None
        content["heatmap"] = str(heatmap) if heatmap else None
        content["heatmap_verdict"] = verdict.of_class(prediction.decision) or None
    print(json.dumps(content), flush=True)


def print_text(prediction: Prediction, heatmap: Path | None) -> None:
    """Print a prediction for people; a file that can't be used is reported on stderr."""
    if prediction.error:
        print(f"{prediction.image}: {prediction.error}", file=sys.stderr, flush=True)
        return
    probs = ", ".join(f"{name} {prob:.2f}" for name, prob in prediction.probabilities.items())
    print(f"{prediction.image}: {prediction.decision} ({probs})")
    for warning in prediction.warnings:
        print(f"  warning: {warning}")
    if heatmap:
        print(f"  heatmap: {heatmap}", flush=True)
