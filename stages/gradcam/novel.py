"""Images that were in no data set, as many as are measured."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.images.new_images import listed, read
from cxr.models.info import ModelInfo
from cxr.pipeline.errors import UserError
from stages.gradcam import sample


def sampled(
    folder: Path, info: ModelInfo, most: int
) -> tuple[pd.DataFrame, NDArray[np.uint8], int]:
    """At most so many images of a folder, in an order that does not depend on the others.

    Returns:
        `image` (its path in the folder), `row`, `target` (empty: unknown) and `split_group`
        (each its own); the pixels, uint8 (N, S, S); and how many could not be used, which are
        printed.

    Raises:
        UserError: if there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"params.yaml: gradcam.novel: there is no folder '{folder}'.")
    names = [path.relative_to(folder).as_posix() for path in listed([folder])]
    names = sorted(sample.first(pd.DataFrame({"image": names}, dtype=str), most)["image"])
    outcomes = {name: read(folder / name, info.prepare_settings()) for name in names}
    usable = {name: one.pixels for name, one in outcomes.items() if one.pixels is not None}
    for name in sorted(outcomes.keys() - usable.keys()):
        print(f"{folder / name}: {outcomes[name].facts['reason']}")
    images = pd.DataFrame({"image": list(usable)}, dtype=str)
    images = images.assign(row=range(len(usable)), target="", split_group=images["image"])
    pixels = np.empty((len(usable), info.size, info.size), np.uint8)
    pixels[:] = list(usable.values()) or pixels
    return sample.shuffled(images), pixels, len(outcomes) - len(usable)
