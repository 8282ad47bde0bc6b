"""Decode each image once: check it, bring it to a square of 8-bit grey, hash it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from stages import command, tables
from stages.command import UserError
from stages.files import whole
from stages.params import Prepare, load
from stages.prepare.arrays import ArrayWriter
from stages.prepare.work import Outcome, process_block

BLOCK = 32


def main() -> None:
    files = command.paths(__doc__, "params", "raw", "index", "pixels", "masks", "images")
    settings = load(files.params).prepare
    index = tables.read(files.index, tables.Index)

    with ExitStack() as stack:
        pixels = stack.enter_context(
            ArrayWriter(stack.enter_context(whole(files.pixels)), settings.size)
        )
        masks = stack.enter_context(
            ArrayWriter(stack.enter_context(whole(files.masks)), settings.size)
        )
        images = prepare(index, files.raw, settings, pixels, masks)
        tables.write(files.images, images, tables.Images)

    print(images["status"].value_counts().to_string())


def prepare(
    index: pd.DataFrame, raw: Path, settings: Prepare, pixels: ArrayWriter, masks: ArrayWriter
) -> pd.DataFrame:
    """Process all images; append what is usable to the arrays.

    Masks get a row for each image if the source has any, and none otherwise.

    Returns:
        table `Images`.

    Raises:
        UserError: if not one image is usable.
    """
    no_mask = np.zeros((settings.size, settings.size), np.uint8)
    has_masks = bool((index["mask"] != "").any())
    facts = []
    for outcome in outcomes(index, raw, settings):
        row = -1
        if outcome.pixels is not None:
            row = pixels.append(outcome.pixels)
            if has_masks:
                masks.append(no_mask if outcome.mask is None else outcome.mask)
        facts.append({"row": row, **outcome.facts})
    images = pd.concat([index, pd.DataFrame(facts, index=index.index)], axis=1)
    if pixels.count == 0:
        reasons = images["reason"].value_counts().index[:3].tolist()
        raise UserError(f"none of the {len(images)} images is usable: {'; '.join(reasons)}.")
    return images


def outcomes(index: pd.DataFrame, raw: Path, settings: Prepare) -> Iterator[Outcome]:
    """Process the index on all cores; outcomes come in its order."""
    rows = index.to_dict("records")
    blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
    work = (delayed(process_block)(block, raw, settings) for block in blocks)
    results = Parallel(n_jobs=-1, return_as="generator")(work)
    with tqdm(total=len(rows), unit="image", desc="decode", disable=None) as bar:
        for result in results:
            bar.update(len(result))
            yield from result


if __name__ == "__main__":
    command.run(main)
