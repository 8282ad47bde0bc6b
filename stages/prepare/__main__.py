"""Decode each image once; check it, resize it to an 8-bit grey square and hash it."""

from cxr.pipeline.environment import configure

configure()

from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from cxr.images import cache
from cxr.images.thumbnail import SIDE
from cxr.pipeline import cli, tables
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import atomic_write
from cxr.pipeline.flow import print_flow
from cxr.pipeline.params import Prepare, load
from stages.prepare.arrays import ArrayWriter
from stages.prepare.outcomes import outcomes


def main() -> None:
    files = cli.paths(
        __doc__,
        *("params", "raw", "index"),
        *("pixels", "thumbnails", "masks", "lesions", "images", "store"),
    )
    settings = load(files.params).prepare
    index = tables.read(files.index, tables.Index)

    with ExitStack() as stack:
        sides = dict.fromkeys(Arrays._fields, settings.image_size) | {"thumbnails": SIDE}
        arrays = Arrays(
            *(
                stack.enter_context(
                    ArrayWriter(stack.enter_context(atomic_write(getattr(files, name))), side)
                )
                for name, side in sides.items()
            )
        )
        images = prepare(index, files.raw, settings, files.store, arrays)
        tables.write(files.images, images, tables.Images)

    unusable = images["status"] + ": " + images["reason"]
    left_out = images["status"] != "ok"
    print_flow(images["image"], unusable.where(left_out, ""))
    if left_out.any():
        print(f"see the reason of each in {files.images}")


class Arrays(NamedTuple):
    """The arrays that are written beside the table."""

    pixels: ArrayWriter
    thumbnails: ArrayWriter
    masks: ArrayWriter
    lesions: ArrayWriter


def prepare(
    index: pd.DataFrame,
    raw: Path,
    settings: Prepare,
    folder: Path,
    arrays: Arrays,
) -> pd.DataFrame:
    """Process all images; append the usable ones to the arrays.

    The arrays of masks and lesions get a row for each image if the source has any, else none.

    Args:
        folder: of the cache of decoded images.

    Returns:
        table `Images`.

    Raises:
        UserError: if no image is usable.
    """
    no_mask = np.zeros((settings.image_size, settings.image_size), np.uint8)
    has_masks, has_lesions = (index[["mask", "lesion"]] != "").any()
    facts = []
    for outcome in outcomes(index, raw, settings, cache.store_path(folder, settings)):
        row = -1
        if outcome.pixels is not None and outcome.thumbnail is not None:
            row = arrays.pixels.append(outcome.pixels)
            arrays.thumbnails.append(outcome.thumbnail)
            if has_masks:
                arrays.masks.append(no_mask if outcome.mask is None else outcome.mask)
            if has_lesions:
                arrays.lesions.append(no_mask if outcome.lesion is None else outcome.lesion)
        facts.append({"row": row, **outcome.facts})
    found = pd.DataFrame(facts, index=index.index)
    images = index.assign(**found)[list(tables.Images.to_schema().columns)]
    if arrays.pixels.count == 0:
        reasons = images["reason"].value_counts().index[:3].tolist()
        raise UserError(f"none of the {len(images)} images is usable: {'; '.join(reasons)}.")
    return images


if __name__ == "__main__":
    cli.run(main)
