"""Find exact and near duplicates; keep one image of each group, none where labels conflict."""

from cxr.pipeline.environment import configure

configure()

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.datasets.labels import classes
from cxr.duplicates.pairs import find_duplicate_pairs
from cxr.pipeline import cli, tables
from cxr.pipeline.files import atomic_write, write_json
from cxr.pipeline.flow import print_flow
from cxr.pipeline.params import load
from stages.dedupe.grouping import group_duplicates, longest_chain

# Why an image does not go on, in words.
REASONS = {
    "kept": "",
    "exact": "exact duplicates",
    "near": "near duplicates",
    "conflict": "duplicates with contradicting labels",
}


def main() -> None:
    files = cli.paths(__doc__, "params", "images", "pixels", "duplicates", "details", "plots")
    params = load(files.params)
    images = tables.read(files.images, tables.Images)
    images["target"] = classes(images, params)
    usable = images[images["row"] >= 0].reset_index(drop=True)

    pixels = np.load(files.pixels, mmap_mode="r")
    pairs = find_duplicate_pairs(usable, pixels, params.dedupe)[["first", "second"]].to_numpy()
    duplicates = group_duplicates(usable, pairs, params.dedupe.on_conflict == "drop")

    # matplotlib takes longer to import than most runs of this stage.
    from stages.dedupe.sheet import draw_groups

    with atomic_write(files.plots) as plots:
        plots.mkdir()
        draw_groups(plots / "groups.png", duplicates, usable, pixels)
    tables.write(files.duplicates, duplicates, tables.Duplicates)
    write_json(files.details, summary(duplicates, pairs))
    print_flow(duplicates["image"], duplicates["reason"].map(REASONS))


def summary(duplicates: pd.DataFrame, pairs: NDArray[np.int64]) -> dict[str, int]:
    """Counts for the report."""
    reasons = duplicates["reason"].value_counts()
    sizes = duplicates["duplicate_group"].value_counts()
    return {
        "images": len(duplicates),
        "kept": int(duplicates["keep"].sum()),
        "exact": int(reasons.get("exact", 0)),
        "near": int(reasons.get("near", 0)),
        "conflict": int(reasons.get("conflict", 0)),
        "pairs": len(pairs),
        "groups": int((sizes > 1).sum()),
        "largest_group": int(sizes.max()),
        "longest_chain": longest_chain(len(duplicates), pairs),
    }


if __name__ == "__main__":
    cli.run(main)
