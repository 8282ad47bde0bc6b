"""Novel images: those in the folder `gradcam.novel`, which are in no data set."""

from pathlib import Path

import numpy as np
import pandas as pd

from cxr.heatmaps.explainer import Images
from cxr.images.new_images import listed, read
from cxr.models.info import ModelInfo
from cxr.pipeline.errors import UserError
from stages.gradcam.sampling import first_by_hash, sort_by_hash


def novel_images(folder: Path, info: ModelInfo, limit: int) -> tuple[pd.DataFrame, Images, int]:
    """Read at most `limit` images of a folder; the choice does not depend on the others.

    Returns:
        `image` (its path in the folder), `row`, `target` (empty: unknown) and `split_group` (each
        image its own); the pixels, uint8 (N, S, S); and the number of unusable images, whose
        names are printed.

    Raises:
        UserError: if there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"params.yaml: gradcam.novel: there is no folder '{folder}'.")
    names = [path.relative_to(folder).as_posix() for path in listed([folder])]
    names = sorted(first_by_hash(pd.DataFrame({"image": names}, dtype=str), limit)["image"])
    outcomes = {name: read(folder / name, info.prepare_settings()) for name in names}
    usable = {
        name: outcome.pixels for name, outcome in outcomes.items() if outcome.pixels is not None
    }
    for name in sorted(outcomes.keys() - usable.keys()):
        print(f"{folder / name}: {outcomes[name].facts['reason']}")
    images = pd.DataFrame({"image": list(usable)}, dtype=str)
    images = images.assign(row=range(len(usable)), target="", split_group=images["image"])
    pixels = np.empty((len(usable), info.size, info.size), np.uint8)
    pixels[:] = list(usable.values()) or pixels
    return sort_by_hash(images), pixels, len(outcomes) - len(usable)
