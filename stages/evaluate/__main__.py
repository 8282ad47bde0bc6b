"""evaluate: how good the network is on images that it has not seen, how sure that is, and why."""

import sys

from cxr.pipeline.environment import configure

configure(sys.argv)

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.models.calibration import scaled_softmax
from cxr.models.classifier import Classifier
from cxr.models.devices import reserve_gpus
from cxr.pipeline import tables
from cxr.pipeline.cli import UserError, paths, run
from cxr.pipeline.files import whole, write_json
from cxr.pipeline.params import load
from stages.evaluate import metrics, pictures, plots, projection, subgroups, training
from stages.evaluate.audit import audit


def main() -> None:
    """The stage, from its files to its files."""
    files = paths(
        "Measure a network on the test images.",
        *("params", "model", "training", "pixels", "masks", "images", "split"),
        *("predictions", "metrics", "breakdown", "audit", "plots"),
    )
    params = load(files.params)
    settings = params.evaluate
    reserve_gpus(1, params.gpu.when_busy)
    classifier = Classifier.load(files.model)
    info = classifier.info
    images = tables.described(
        tables.read(files.split, tables.Split), tables.read(files.images, tables.Images)
    )
    check(images, info.classes)
    pixels = np.load(files.pixels, mmap_mode="r")
    masks = np.load(files.masks, mmap_mode="r")

    held_out = images[images["split"].isin(["val", "test"])]
    logits, features = classifier.logits_and_features(pixels, held_out["row"].to_numpy())
    probs = scaled_softmax(logits, info.temperature)
    predictions = held_out[["image", "target", "split"]].assign(
        **{f"p_{name}": probs[:, index] for index, name in enumerate(info.classes)}
    )

    side = (held_out["split"] == "test").to_numpy()
    test, test_probs = held_out[side], probs[side]
    uncalibrated = scaled_softmax(logits[side], 1.0)
    actual, groups = numbers(test["target"], info.classes), test["split_group"].to_numpy()
    headline, by_class = metrics.measure(actual, test_probs, groups, info.classes, settings)
    point = metrics.operating_point(actual, test_probs, groups, info, settings)
    by_subgroup = subgroups.measure(
        test, actual, test_probs, metrics.positive(info, point), settings
    )
    shown = images[images["split"].isin(["train", "test"])]
    audited = audit(classifier, shown, pixels, masks, test_probs, settings)
    sampled = projection.sample(len(test))
    plane = projection.plane(features[side][sampled], settings.seed)

    tables.write(files.predictions, predictions, tables.Predictions)
    with whole(files.plots) as folder:
        plots.draw(folder, actual, test_probs, info.classes)
        pictures.reliability(folder, actual, uncalibrated, test_probs, info.temperature)
        if point is not None:
            pictures.operating_point(folder, actual, test_probs, info.classes, point)
        pictures.audit(folder, audited)
        pictures.projection(folder, test.iloc[sampled], plane)
        pictures.mistakes(folder, test, pixels, actual, test_probs, info.classes)
        plots.write(folder / "subgroups.csv", by_subgroup)
        training.draw(folder, files.training, info.classes, info.size)
    write_json(
        files.metrics,
        headline
        | {
            "images": len(actual),
            "groups": test["split_group"].nunique(),
            "calibration": metrics.calibration(actual, uncalibrated, info.temperature),
            "operating_point": point,
        },
    )
    write_json(
        files.breakdown,
        {
            "macro": metrics.macro(actual, test_probs),
            "class": by_class,
            "subgroup": subgroups.nested(by_subgroup),
        },
    )
    write_json(files.audit, audited)


def check(images: pd.DataFrame, classes: list[str]) -> None:
    """Refuse a split that the network can't be measured on.

    Raises:
        UserError: if there are no test images, or of a class that the network does not have.
    """
    if not (images["split"] == "test").any():
        raise UserError(
            "split.csv has no test images: the data set is too small for split.folds, or its "
            "official split has none (set split.official to false)."
        )
    unknown = sorted(set(images["target"][images["split"] != ""]) - set(classes))
    if unknown:
        raise UserError(
            f"split.csv: class '{unknown[0]}' is not among the network's classes "
            f"({', '.join(classes)}): train it again with `dvc repro`."
        )


def numbers(labels: pd.Series, classes: list[str]) -> NDArray[np.int64]:
    """Labels as positions in `classes`."""
    return pd.Index(classes).get_indexer(labels).astype(np.int64)


if __name__ == "__main__":
    run(main)
