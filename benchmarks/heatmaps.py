"""How often the maximum of a heatmap is in the lesion, for each method and layer.

    python -m benchmarks.heatmaps --layers layer4 layer3 layer2

Run it in a project after `dvc repro`, with a data set that has lesion or lung masks. It prints, for
the test images, how often the maximum is in the region (for lesions: of the images that are
classified correctly), the highest floor (see docs/heatmaps.md), and the time of a heatmap. A method
or layer that is chosen by this table has been selected on the test images."""

from cxr.pipeline.environment import configure

configure()

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from cxr.commands.markdown import markdown_table
from cxr.heatmaps.explainer import METHODS, Explainer
from cxr.models.classifier import Classifier
from cxr.pipeline import tables
from cxr.pipeline.params import Evaluate, load
from stages.gradcam.agreement import random_classifiers
from stages.gradcam.measure import Measurer
from stages.gradcam.predictions import add_predictions
from stages.gradcam.summary import judge


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Which heatmaps point at the lesion?")
    parser.add_argument("--layers", nargs="+", default=[""], metavar="LAYER")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    options = parser.parse_args()
    params = load(Path("params.yaml"))
    classifier = Classifier.load(Path("models") / params.model)
    arrays = [np.load(f"data/{name}.npy", mmap_mode="r") for name in ("pixels", "masks", "lesions")]
    split = tables.read(Path("data/split.csv"), tables.Split)
    predictions = tables.read(Path("data/predictions.csv"), tables.Predictions)
    test = add_predictions(split[split["split"] == "test"], predictions, classifier, arrays[0])
    networks = (classifier, *random_classifiers(classifier.info, params.evaluate.seed))
    rows = []
    for layer in options.layers:
        for method in options.methods:
            explain, *untrained = (Explainer(network, method, layer) for network in networks)
            measurer = Measurer(classifier, explain, untrained, params.evaluate.seed)
            start = time.perf_counter()
            measured = measurer.localization(test, *arrays)
            # The trained network and those with random weights explain every image.
            seconds = (time.perf_counter() - start) / len(networks) / len(test)
            cells = f"{explain.height} × {explain.width}"
            rows.append(
                [
                    *(method, f"{explain.layer} ({cells})"),
                    *hit_rates(pd.concat([test, measured], axis=1), params.evaluate),
                    f"{1000 * seconds:.0f}",
                ]
            )
    header = ["method", "layer (cells)", "region", "hit by class", "hit", "best floor"]
    print(markdown_table([*header, "margin", "ms"], rows))


def hit_rates(measured: pd.DataFrame, settings: Evaluate) -> list[str]:
    """The cells of a row: region, hit rate by class and of all, best floor, margin."""
    judged = judge(measured, settings)
    if judged["region"] is None:
        return ["no masks", "", "", "", ""]
    by_class = measured.groupby("target")[f"{judged['region']}_hit"].mean().dropna()
    return [
        judged["region"],
        ", ".join(f"{name} {rate:.2f}" for name, rate in by_class.items()),
        f"{judged['hit']:.2f}",
        f"{judged['floor']:.2f} ({judged['best_floor']})",
        f"{judged['margin']:+.2f} ({judged['low']:+.2f} to {judged['high']:+.2f})",
    ]


if __name__ == "__main__":
    main()
