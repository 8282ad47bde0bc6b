"""Small phantoms with a network, for tests of what a network learnt from them."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd

from cxr.images.thumbnail import SIDE
from cxr.pipeline import tables
from cxr.pipeline.params import Phantom, load
from stages.download.phantom import images as phantom
from stages.prepare.__main__ import Arrays, prepare
from stages.prepare.arrays import ArrayWriter
from tests.helpers.closure import ROOT
from tests.helpers.fitted import fit


def phantom_with_network(
    folder: Path, marker: float, size: int = 32, steps: int = 200, head: str = "pooled"
) -> pd.DataFrame:
    """Draw a phantom of 128 patients as prepare and split leave it, and train a network on it.

    Args:
        marker: probability that a marker in a corner gives an image's class away.
        size: of the images, in pixels.
    """
    folder.mkdir()
    (folder / "raw").mkdir()
    index = phantom.draw(
        Phantom(seed=0, patients=128, marker_probability=marker), folder / "raw"
    ).assign(dataset="phantom")
    settings = load(ROOT / "params.yaml").prepare.model_copy(update={"image_size": size})
    with ExitStack() as stack:
        arrays = Arrays(
            *(
                stack.enter_context(
                    ArrayWriter(folder / f"{name}.npy", SIDE if name == "thumbnails" else size)
                )
                for name in Arrays._fields
            )
        )
        images = prepare(index, folder / "raw", settings, folder / "store", arrays)
    truth = pd.read_csv(folder / "raw" / "truth.csv")
    usable = images[(images["status"] == "ok") & ~images["image"].isin(truth["image"])]
    patients = pd.factorize(usable["patient"])[0]
    side = np.array(["train", "train", "test"])[patients % 3]
    images = usable.assign(
        target=usable["label"], split_group=usable["patient"], split=side
    ).reset_index(drop=True)
    tables.write(folder / "split.csv", images[list(tables.Split.to_schema().columns)], tables.Split)
    fit(folder, steps=steps, batch=32, head=head)
    return images
