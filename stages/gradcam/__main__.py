"""gradcam: what the network looked at, as pictures and as numbers."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages import gpus, models, tables
from stages.command import UserError, paths, run
from stages.files import whole, write_json
from stages.gradcam import pictures, sample, shares
from stages.gradcam.heatmaps import feature_layer, heatmaps
from stages.params import load


def main() -> None:
    """The stage, from its files to its files."""
    files = paths(
        "Show and measure what a network looked at.",
        *("params", "model", "predictions", "split", "pixels", "masks", "metrics", "plots"),
    )
    params = load(files.params)
    settings = params.gradcam
    gpus.reserve(1, params.gpu.when_busy)
    network, card = models.load(files.model)
    images = predicted_images(
        tables.read(files.predictions, tables.Predictions),
        tables.read(files.split, tables.Split),
        card.classes,
    )
    pixels = np.load(files.pixels, mmap_mode="r")
    masks = np.load(files.masks, mmap_mode="r")
    layer, height, width = feature_layer(network, card)

    explained = heatmaps(network, card, pixels, *targets(images, card.classes), settings.method)
    measured = pd.concat(
        [shares.measure(maps, lungs(masks, rows)) for rows, maps in explained], ignore_index=True
    )
    shown = sample.choose(images, settings.per_class)
    rows, classes = targets(shown, card.classes)
    pictured = heatmaps(network, card, pixels, rows, classes, settings.method)
    maps = np.concatenate([maps for _, maps in pictured])

    with whole(files.plots) as folder:
        pictures.draw(folder, shown, pixels[rows], maps, lungs(masks, rows))
    by_class = measured.groupby(images["label"])
    write_json(
        files.metrics,
        {"layer": layer, "feature_map": f"{height} x {width}", "method": settings.method}
        | shares.summary(measured)
        | {"class": {name: shares.summary(part) for name, part in by_class}},
    )


def predicted_images(
    predictions: pd.DataFrame, split: pd.DataFrame, classes: list[str]
) -> pd.DataFrame:
    """The test images with their prediction.

    Returns:
        `image`, `row`, `label`, `predicted`, `correct`, and `p_label` and `p_predicted`, the
        probabilities of the true and of the predicted class.

    Raises:
        UserError: if the predictions are those of a network with other classes.
    """
    columns = [f"p_{name}" for name in classes]
    if [name for name in predictions if name.startswith("p_")] != columns:
        raise UserError(
            f"predictions.csv is not of this network, whose classes are {', '.join(classes)}: "
            "run `dvc repro`."
        )
    test = predictions[predictions["split"] == "test"]
    test = test.merge(split[["image", "row"]], on="image", validate="one_to_one")
    probabilities = test[columns].to_numpy()
    each = np.arange(len(test))
    predicted = probabilities.argmax(1)
    return test[["image", "row", "label"]].assign(
        predicted=np.array(classes)[predicted],
        correct=lambda table: table["label"] == table["predicted"],
        p_label=probabilities[each, pd.Index(classes).get_indexer(test["label"])],
        p_predicted=probabilities[each, predicted],
    )


def targets(
    images: pd.DataFrame, classes: list[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the images, and the number of the class predicted for each."""
    return images["row"].to_numpy(), pd.Index(classes).get_indexer(images["predicted"])


def lungs(masks: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Masks of some rows; all zero if the data set has none."""
    return masks[rows] if len(masks) else np.zeros((len(rows), *masks.shape[1:]), np.uint8)


if __name__ == "__main__":
    run(main)
