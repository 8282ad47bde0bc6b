"""evaluate: how good the network is on images that it has not seen, and how sure that is."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from stages import models, tables
from stages.command import UserError, paths, run
from stages.evaluate import bootstrap, plots, scores
from stages.files import whole, write_json
from stages.params import load


def main() -> None:
    """The stage, from its files to its files."""
    files = paths(
        "Measure a network on the test images.",
        *("params", "model", "pixels", "split", "predictions", "metrics", "plots"),
    )
    params = load(files.params).evaluate
    network, card = models.load(files.model)
    split = tables.read(files.split, tables.Split)
    images = held_out(split, card.classes)

    pixels = np.load(files.pixels, mmap_mode="r")
    logits = models.logits(network, card, pixels, images["row"].to_numpy())
    probabilities = softmax(logits.astype(np.float64) / card.temperature, axis=1)
    predictions = images[["image", "label", "split"]].assign(
        **{f"p_{name}": probabilities[:, number] for number, name in enumerate(card.classes)}
    )

    test = (images["split"] == "test").to_numpy()
    actual = numbers(images["label"][test], card.classes)
    intervals = bootstrap.intervals(
        lambda weights: scores.headline(actual, probabilities[test], weights),
        images["group"][test].to_numpy(),
        params.resamples,
        params.confidence,
        params.seed,
    )
    tables.write(files.predictions, predictions, tables.Predictions)
    with whole(files.plots) as folder:
        plots.draw(folder, actual, probabilities[test], card.classes)
    headline = scores.headline(actual, probabilities[test])
    write_json(
        files.metrics,
        {name: scores.defined(value[0]) for name, value in headline.items()}
        | {
            "interval": intervals,
            "class": scores.class_table(actual, probabilities[test], card.classes),
            "images": len(actual),
            "groups": images["group"][test].nunique(),
        },
    )


def held_out(split: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """The rows of split.csv that are for validation and test.

    Raises:
        UserError: if there are no test images, or of a class that the network does not have.
    """
    images = split[split["split"].isin(["val", "test"])].reset_index(drop=True)
    if not (images["split"] == "test").any():
        raise UserError(
            "split.csv has no test images: the data set is too small for split.folds, or its "
            "official split has none (set split.official to false)."
        )
    unknown = sorted(set(images["label"]) - set(classes))
    if unknown:
        raise UserError(
            f"split.csv: class '{unknown[0]}' is not among the network's classes "
            f"({', '.join(classes)}): train it again with `dvc repro`."
        )
    return images


def numbers(labels: pd.Series, classes: list[str]) -> NDArray[np.int64]:
    """Labels as positions in `classes`."""
    return pd.Index(classes).get_indexer(labels).astype(np.int64)


if __name__ == "__main__":
    run(main)
