"""gradcam: what the network looked at, as pictures and as numbers."""

import sys

from cxr.pipeline.environment import configure

configure(sys.argv)

from typing import Any

import numpy as np
import pandas as pd

from cxr.heatmaps import plots
from cxr.heatmaps.explainer import Explainer, all_maps
from cxr.models.classifier import Classifier
from cxr.models.devices import reserve_gpus
from cxr.pipeline import tables
from cxr.pipeline.cli import paths, run
from cxr.pipeline.experiment import check_path_in_experiment
from cxr.pipeline.files import atomic_write, write_json
from cxr.pipeline.params import Evaluate, load
from stages.gradcam import novel, sample, summary
from stages.gradcam.agreement import random_weights
from stages.gradcam.measure import Instruments, lungs, measure, targets
from stages.gradcam.predicted import check, predicted


def main() -> None:
    """The stage, from its files to its files."""
    files = paths(
        "Show and measure what a network looked at.",
        *("params", "model", "predictions", "split", "pixels", "masks", "novel"),
        *("metrics", "plots"),
    )
    params = load(files.params)
    settings = params.gradcam
    check_path_in_experiment("gradcam.novel", settings.novel)
    reserve_gpus(1, params.gpu.when_busy)
    classifier = Classifier.load(files.model)
    info = classifier.info
    predictions = tables.read(files.predictions, tables.Predictions)
    check(predictions, info)
    split = tables.read(files.split, tables.Split)
    pixels = np.load(files.pixels, mmap_mode="r")
    masks = np.load(files.masks, mmap_mode="r")
    strange, strange_pixels, unusable = novel.sampled(files.novel, info, settings.measured)

    seed = params.evaluate.seed
    explain, *chances = (
        Explainer(model, settings.method, settings.layer)
        for model in (classifier, *random_weights(info, seed))
    )
    tools = Instruments(classifier, explain, chances, seed)
    measured, shown = {}, []
    for side in tables.SPLITS:
        images = sample.spread(split[split["split"] == side], settings.measured)
        images = predicted(images, predictions, classifier, pixels)
        measured[side] = measure(tools, images, pixels, masks, settings.perturbed)
        shown.append(sample.choose(images, settings.per_class))
    strange = predicted(strange, predictions.iloc[:0], classifier, strange_pixels)
    measured["novel"] = measure(tools, strange, strange_pixels, masks[:0], settings.perturbed)

    with atomic_write(files.plots) as folder:
        some = pd.concat(shown)
        rows, classes = targets(some, info.classes)
        maps = all_maps(explain, pixels, rows, classes)
        plots.draw(folder, some, pixels[rows], maps, lungs(masks, rows, info.size))
        few = sample.first(strange, settings.per_class * len(info.classes))
        rows, classes = targets(few, info.classes)
        maps = all_maps(explain, strange_pixels, rows, classes)
        plots.draw_novel(folder, few, strange_pixels[rows], maps)
    write_json(
        files.metrics,
        {
            "layer": explain.layer,
            "feature_map": f"{explain.height} x {explain.width}",
            "method": settings.method,
            **report(measured, info.classes, params.evaluate),
            "novel": {"unusable": unusable} | summary.summary(measured["novel"], params.evaluate),
        },
    )


def report(
    measured: dict[str, pd.DataFrame], classes: list[str], settings: Evaluate
) -> dict[str, Any]:
    """The summary of each side of the split, and how the others and novel images differ from
    training."""
    train = measured["train"]
    return {
        **{side: summary.by_class(measured[side], classes, settings) for side in tables.SPLITS},
        "difference": {
            f"{side}_train": summary.difference(measured[side], train, settings)
            for side in ("val", "test", "novel")
        },
    }


if __name__ == "__main__":
    run(main)
