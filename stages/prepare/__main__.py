"""Decode each image once: check it, resize it to an 8-bit grey square, hash it."""

from cxr.pipeline.environment import configure

configure()

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd

from cxr.images import cache
from cxr.pipeline import cli, tables
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import atomic_write
from cxr.pipeline.flow import print_flow
from cxr.pipeline.params import Prepare, load
from stages.prepare.arrays import ArrayWriter
from stages.prepare.outcomes import outcomes


def main() -> None:
    files = cli.paths(
        __doc__, "params", "raw", "index", "pixels", "masks", "lesions", "images", "store"
    )
    settings = load(files.params).prepare
    index = tables.read(files.index, tables.Index)

    with ExitStack() as stack:
        pixels, masks, lesions = (
            stack.enter_context(
                ArrayWriter(stack.enter_context(atomic_write(path)), settings.image_size)
            )
            for path in (files.pixels, files.masks, files.lesions)
        )
        images = prepare(index, files.raw, settings, files.store, pixels, masks, lesions)
        tables.write(files.images, images, tables.Images)

    unusable = images["status"] + ": " + images["reason"]
    print_flow(images["image"], unusable.where(images["status"] != "ok", ""))


def prepare(
    index: pd.DataFrame,
    raw: Path,
    settings: Prepare,
    folder: Path,
    pixels: ArrayWriter,
    masks: ArrayWriter,
    lesions: ArrayWriter,
) -> pd.DataFrame:
    """Process all images; append what is usable to the arrays.

    Masks and lesions get a row for each image if the source has any, and none otherwise.

    Args:
        folder: of the stores of pictures decoded before.

    Returns:
        table `Images`.

    Raises:
        UserError: if not one image is usable.
    """
    no_mask = np.zeros((settings.image_size, settings.image_size), np.uint8)
    has_masks, has_lesions = (index[["mask", "lesion"]] != "").any()
    facts = []
    for outcome in outcomes(index, raw, settings, cache.place(folder, settings)):
        row = -1
        if outcome.pixels is not None:
            row = pixels.append(outcome.pixels)
            if has_masks:
                masks.append(no_mask if outcome.mask is None else outcome.mask)
            if has_lesions:
                lesions.append(no_mask if outcome.lesion is None else outcome.lesion)
        facts.append({"row": row, **outcome.facts})
    found = pd.DataFrame(facts, index=index.index)
    images = index.assign(**found)[list(tables.Images.to_schema().columns)]
    if pixels.count == 0:
        reasons = images["reason"].value_counts().index[:3].tolist()
        raise UserError(f"none of the {len(images)} images is usable: {'; '.join(reasons)}.")
    return images


if __name__ == "__main__":
    cli.run(main)
