"""Draw and measure heatmaps: which pixels the network's decisions depend on."""

import sys

from cxr.pipeline.environment import configure

configure(sys.argv)

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxr.heatmaps.belief import believe
from cxr.heatmaps.explainer import Explainer, explain_rows
from cxr.heatmaps.plots import draw_class_sheets, draw_novel_sheet
from cxr.models.classifier import Classifier
from cxr.models.devices import reserve_gpus
from cxr.models.info import MODEL_FILE
from cxr.pipeline import tables
from cxr.pipeline.cli import paths, run
from cxr.pipeline.experiment import check_path_in_experiment
from cxr.pipeline.files import atomic_write, sha256, write_json
from cxr.pipeline.params import Evaluate, load
from stages.gradcam.agreement import random_classifiers
from stages.gradcam.measure import Measurer, masks_of
from stages.gradcam.novel import novel_images
from stages.gradcam.predictions import add_predictions, check_classes
from stages.gradcam.sampling import balanced_sample, choose_examples, first_by_hash
from stages.gradcam.summary import headline, summarize, summarize_by_class, summarize_difference


def main() -> None:
    """Read the command line, draw and measure the heatmaps, write plots and metrics."""
    files = paths(
        __doc__,
        *("params", "model", "predictions", "split", "pixels", "masks", "lesions"),
        *("metrics", "details", "plots"),
    )
    params = load(files.params)
    settings = params.gradcam
    check_path_in_experiment("gradcam.novel", settings.novel)
    reserve_gpus(1, params.gpu.when_busy)
    classifier = Classifier.load(files.model)
    info = classifier.info
    predictions = tables.read(files.predictions, tables.Predictions)
    check_classes(predictions, info.classes)
    split = tables.read(files.split, tables.Split)
    pixels = np.load(files.pixels, mmap_mode="r")
    masks, lesions = (np.load(path, mmap_mode="r") for path in (files.masks, files.lesions))
    novel, novel_pixels, unusable = novel_images(
        Path(settings.novel), info, settings.images_per_split
    )

    seed = params.evaluate.seed
    explain, *explain_random = (
        Explainer(model, settings.method, settings.layer)
        for model in (classifier, *random_classifiers(info, seed))
    )
    measurer = Measurer(classifier, explain, explain_random, seed)
    measured, examples = {}, []
    for subset in tables.SPLITS:
        images = balanced_sample(split[split["split"] == subset], settings.images_per_split)
        images = add_predictions(images, predictions, classifier, pixels)
        measured[subset] = measurer.measure(
            images, pixels, masks, lesions, settings.perturbed_per_split
        )
        examples.append(choose_examples(images, settings.examples_per_class))
    novel = add_predictions(novel, predictions.iloc[:0], classifier, novel_pixels)
    measured["novel"] = measurer.measure(
        novel, novel_pixels, masks[:0], lesions[:0], settings.perturbed_per_split
    )

    summaries = summarize_subsets(measured, info.classes, params.evaluate)
    verdict = believe(summaries["test"])
    with atomic_write(files.plots) as folder:
        shown = pd.concat(examples)
        rows, classes = measurer.rows_and_predictions(shown)
        maps = explain_rows(explain, pixels, rows, classes)
        lungs, disease = (masks_of(array, rows, info.size) for array in (masks, lesions))
        draw_class_sheets(folder, shown, pixels[rows], maps, lungs, disease, verdict)
        shown = first_by_hash(novel, settings.examples_per_class * len(info.classes))
        rows, classes = measurer.rows_and_predictions(shown)
        maps = explain_rows(explain, novel_pixels, rows, classes)
        draw_novel_sheet(folder, shown, novel_pixels[rows], maps, verdict.overall)
    write_json(
        files.details,
        {
            # By these, `cxr predict` makes the same heatmaps, and knows that they were measured.
            "model": sha256(files.model / MODEL_FILE),
            "method": settings.method,
            "layer": explain.layer,
            "feature_map": f"{explain.height} x {explain.width}",
            **summaries,
            "novel": {"unusable": unusable} | summarize(measured["novel"], params.evaluate),
        },
    )
    write_json(files.metrics, headline(measured["test"], params.evaluate))


def summarize_subsets(
    measured: dict[str, pd.DataFrame], classes: list[str], settings: Evaluate
) -> dict[str, Any]:
    """Summarize training, validation and test, and how they and novel images differ from training.

    Args:
        measured: by `train`, `val`, `test` and `novel`, what `Measurer.measure` returns.
    """
    train = measured["train"]
    return {
        **{
            subset: summarize_by_class(measured[subset], classes, settings)
            for subset in tables.SPLITS
        },
        "difference": {
            f"{subset}_train": summarize_difference(measured[subset], train, settings)
            for subset in ("val", "test", "novel")
        },
    }


if __name__ == "__main__":
    run(main)
