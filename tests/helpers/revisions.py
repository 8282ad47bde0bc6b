"""Runs as `revisions.read_run` returns them, of networks with a given accuracy."""

import numpy as np
import pandas as pd
from flatten_dict import flatten
from ruamel.yaml import YAML

from cxr.commands.revisions import Run
from tests.helpers.closure import ROOT

CLASSES = ["COVID", "Normal"]
SETTINGS = flatten(YAML(typ="safe").load(ROOT / "params.yaml"), "dot", keep_empty_types=(dict,))


def run(
    name, right=0.7, images=60, each=2, seed=0, prefix="a", source="code", evaluation=(), **settings
):
    """A run on `images` test images, `each` of one patient.

    Args:
        right: the accuracy, or for each image whether its prediction is correct.
        prefix: of the images' names: another one for other test images.
        source: its `source_hash`.
        evaluation: its `evaluation_code`.
        settings: that differ from params.yaml, with __ for the dots of a key.
    """
    random = np.random.default_rng(seed)
    correct = random.random(images) < right if isinstance(right, float) else np.asarray(right)
    actual = np.arange(images) // each % 2
    sure = random.uniform(0.55, 0.95, images)
    columns = np.where(correct[:, None] == (np.arange(2) == actual[:, None]), sure[:, None], 0)
    names = [f"{prefix}{number:03}.png" for number in range(images)]
    return Run(
        name,
        SETTINGS | {key.replace("__", "."): value for key, value in settings.items()},
        source,
        dict(evaluation),
        CLASSES,
        pd.DataFrame(
            {
                "image": names,
                "target": [CLASSES[number] for number in actual],
                "split_group": [f"{prefix}p{number // each:03}" for number in range(images)],
                "sha256": [f"of {name}" for name in names],
            }
        ),
        np.where(columns > 0, columns, 1 - sure[:, None]),
    )
