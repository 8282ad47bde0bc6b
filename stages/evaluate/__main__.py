"""Evaluate a network on the test images: scores with intervals, and an audit for shortcuts."""

import sys

from cxr.pipeline.environment import configure

configure(sys.argv)

import numpy as np
import pandas as pd

from cxr.metrics.operating_point import choose_operating_point
from cxr.models.calibration import scaled_softmax
from cxr.models.classifier import Classifier
from cxr.models.devices import reserve_gpus
from cxr.pipeline import tables
from cxr.pipeline.cli import paths, run
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import atomic_write, write_json
from cxr.pipeline.params import load
from cxr.pipeline.tables import class_indices, write_csv
from stages.evaluate import error_analysis, metrics, plots, projection, subgroups
from stages.evaluate.audit import audit_headline, audit_shortcuts
from stages.evaluate.training_plots import draw_training


def main() -> None:
    """Read the command line, evaluate the network, write scores and plots."""
    files = paths(
        __doc__,
        *("params", "model", "epochs", "augmented", "pixels", "masks", "images", "split"),
        *("predictions", "metrics", "audit", "details", "audit_details", "curves"),
        *("projection", "plots"),
    )
    params = load(files.params)
    settings = params.evaluate
    reserve_gpus(1, params.gpu.when_busy)
    classifier = Classifier.load(files.model)
    info = classifier.info
    images = tables.described(
        tables.read(files.split, tables.Split), tables.read(files.images, tables.Images)
    )
    check_classes(images, info.classes)
    pixels = np.load(files.pixels, mmap_mode="r")
    masks = np.load(files.masks, mmap_mode="r")

    held_out = images[images["split"].isin(["val", "test"])]
    logits, features = classifier.logits_and_features(pixels, held_out["row"].to_numpy())
    probs = scaled_softmax(logits, info.temperature)
    predictions = held_out[["image", "target", "split"]].assign(
        **{f"p_{name}": probs[:, index] for index, name in enumerate(info.classes)}
    )

    in_test = (held_out["split"] == "test").to_numpy()
    test, test_probs = held_out[in_test], probs[in_test]
    uncalibrated = scaled_softmax(logits[in_test], 1.0)
    actual, groups = class_indices(test["target"], info.classes), test["split_group"].to_numpy()
    overall, by_class = metrics.overall_and_class_metrics(
        actual, test_probs, groups, info.classes, settings
    )
    point = choose_operating_point(
        settings.positive_class, settings.target_sensitivity, info.classes, info.validation_probs
    )
    if point is None:
        names = ", ".join(settings.positive_class)
        print(
            f"no operating point: none of evaluate.positive_class ({names}) is a class with "
            "validation images"
        )
    at_point = metrics.operating_point_metrics(actual, test_probs, groups, point, settings)
    by_subgroup = subgroups.subgroup_metrics(test, actual, test_probs, point, settings)
    audited = images[images["split"].isin(["train", "test"])]
    audit = audit_shortcuts(classifier, audited, pixels, masks, test_probs, settings)
    sample = projection.sample_evenly(len(test))
    projected = projection.project_features(features[in_test][sample], settings.seed)
    points = test.iloc[sample][["image", "target", "source"]].assign(
        x=projected[:, 0], y=projected[:, 1]
    )

    tables.write(files.predictions, predictions, tables.Predictions)
    with atomic_write(files.plots) as folder:
        plots.draw_confusion_matrix(folder, actual, test_probs.argmax(1), info.classes)
        plots.draw_curves(folder, actual, test_probs, info.classes)
        plots.draw_reliability(folder, actual, uncalibrated, test_probs, info.temperature)
        if point is not None and at_point is not None:
            plots.draw_operating_point(folder, actual, test_probs, point.class_index, at_point)
        error_analysis.draw_audit(folder, audit)
        error_analysis.draw_projection(folder, points)
        error_analysis.draw_mistakes(folder, test, pixels, actual, test_probs, info.classes)
        draw_training(folder, files.epochs, files.augmented, info.classes, info.size)
    with atomic_write(files.curves) as folder:
        plots.write_curves(folder, actual, uncalibrated, test_probs, info.classes)
    write_csv(files.projection, points)
    write_json(
        files.details,
        {
            **overall,
            "images": len(actual),
            "groups": test["split_group"].nunique(),
            "calibration": metrics.calibration_metrics(actual, uncalibrated, info.temperature),
            "operating_point": at_point,
            "macro": metrics.macro_metrics(actual, test_probs),
            "class": by_class,
            "subgroup": subgroups.subgroups_to_json(by_subgroup),
        },
    )
    write_json(files.audit_details, audit)
    write_json(files.metrics, metrics.headline(overall, at_point))
    write_json(files.audit, audit_headline(audit))


def check_classes(images: pd.DataFrame, classes: list[str]) -> None:
    """Check that there are test images, and that the network knows the classes of all images.

    Raises:
        UserError: if not.
    """
    if not (images["split"] == "test").any():
        raise UserError(
            "split.csv has no test images: the data set is too small for split.folds, or its "
            "official split has no test images (then set split.use_official_split to false)."
        )
    unknown = sorted(set(images["target"][images["split"] != ""]) - set(classes))
    if unknown:
        raise UserError(
            f"split.csv: class '{unknown[0]}' is not among the network's classes "
            f"({', '.join(classes)}): train the network again with `dvc repro`."
        )


if __name__ == "__main__":
    run(main)
