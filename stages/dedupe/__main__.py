"""Find exact and near duplicates; keep one image of each group, none where labels conflict."""

from cxr.pipeline.environment import configure

configure()

import numpy as np
import pandas as pd

from cxr.datasets.labels import classes
from cxr.pipeline import cli, tables
from cxr.pipeline.files import atomic_write, write_json
from cxr.pipeline.flow import print_flow
from cxr.pipeline.params import load
from stages.dedupe.grouping import LARGE_GROUP, group_duplicates
from stages.dedupe.pairs import find_pairs

# Why an image does not go on, in words.
REASONS = {
    "kept": "",
    "exact": "exact duplicates",
    "near": "near duplicates",
    "conflict": "duplicates with contradicting labels",
}
# A larger share of conflicts is rare in real collections.
CONFLICT_SHARE = 0.01


def main() -> None:
    files = cli.paths(
        __doc__,
        *("params", "raw", "images", "thumbnails"),
        *("pairs", "duplicates", "details", "plots", "earlier"),
    )
    params = load(files.params)
    images = tables.read(files.images, tables.Images)
    images["target"] = classes(images, params)
    usable = images[images["row"] >= 0].reset_index(drop=True)

    thumbnails = np.load(files.thumbnails, mmap_mode="r")
    pairs = find_pairs(usable, thumbnails, files.raw, params, files.earlier)
    duplicates = group_duplicates(usable, pairs, params.dedupe.on_conflict == "drop")

    # matplotlib takes longer to import than most runs of this stage.
    from stages.dedupe.sheet import draw_alike, draw_groups

    with atomic_write(files.plots) as plots:
        plots.mkdir()
        draw_groups(plots / "groups.png", duplicates, usable["target"], files.raw, params.prepare)
        draw_alike(plots / "alike.png", pairs, files.raw, params.prepare)
    tables.write(files.pairs, pairs, tables.Pairs)
    tables.write(files.duplicates, duplicates, tables.Duplicates)
    counts = summary(duplicates, pairs)
    write_json(files.details, counts)
    print_flow(duplicates["image"], duplicates["reason"].map(REASONS))
    warn(counts, f"{files.plots}/groups.png")


def summary(duplicates: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, int]:
    """Counts for the report."""
    reasons = duplicates["reason"].value_counts()
    sizes = duplicates["duplicate_group"].value_counts()
    return {
        "images": len(duplicates),
        "kept": int(duplicates["keep"].sum()),
        "exact": int(reasons.get("exact", 0)),
        "near": int(reasons.get("near", 0)),
        "conflict": int(reasons.get("conflict", 0)),
        "pairs": int((pairs["kind"] != "alike").sum()),
        "alike": int((pairs["kind"] == "alike").sum()),
        "groups": int((sizes > 1).sum()),
        "largest_group": int(sizes.max()),
    }


def warn(counts: dict[str, int], sheet: str) -> None:
    """Say in one line what is unlikely of a real collection, and where to look."""
    if counts["largest_group"] > LARGE_GROUP:
        print(
            f"warning: {counts['largest_group']} images form one duplicate group: is that one "
            f"picture? It is in the first line of {sheet}"
        )
    if counts["conflict"] > CONFLICT_SHARE * counts["images"]:
        print(
            f"warning: {counts['conflict']} of {counts['images']} images have a duplicate with "
            f"another label: are the labels, and the duplicate groups in {sheet}, right?"
        )


if __name__ == "__main__":
    cli.run(main)
