"""The pairs of images that belong together: same file, same exposure, or alike."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.pipeline.params import ALIKE, Params
from cxr.pipeline.tables import Pairs
from stages.dedupe.candidates import among_best, find_candidates
from stages.dedupe.earlier_run import recall, remember, run_key
from stages.dedupe.verification import verify


def find_pairs(
    images: pd.DataFrame,
    thumbnails: NDArray[np.uint8],
    raw: Path,
    params: Params,
    earlier: Path | None = None,
) -> pd.DataFrame:
    """Find all pairs of images that belong together.

    The result depends on the files alone, not on their names or order.

    Args:
        images: usable rows of table `Images`, sorted by image.
        thumbnails: uint8 (rows, 64, 64), may be memory-mapped.
        raw: the folder that the images lie in.
        earlier: a file with what an earlier run found out; it is written anew for the next one. It
            changes nothing but the time.

    Returns:
        table `Pairs`.
    """
    files = images.drop_duplicates("sha256").sort_values("sha256", ignore_index=True)
    rows = files["row"].to_numpy()
    paths = [raw / name for name in files["image"]]
    least = params.dedupe.min_agreement
    key = run_key(params.dedupe)
    described, known = recall(earlier, key, files["sha256"])
    candidates = find_candidates(thumbnails, rows, params.dedupe, described, known)
    best = among_best(candidates)
    new = best & candidates["agreement"].isna()
    candidates.loc[new, "agreement"] = verify(
        candidates[new], thumbnails, rows, paths, params.prepare, least
    )
    if earlier:
        remember(earlier, key, files["sha256"], described, candidates)
    found = candidates[best & (candidates["agreement"] >= ALIKE)]
    kinds = np.where(found["agreement"] >= least, "exposure", "alike")
    names = np.sort(files["image"].to_numpy()[found[["first", "second"]].to_numpy()], axis=1)
    near = found.assign(first=names[:, 0], second=names[:, 1], kind=kinds)
    columns = list(Pairs.to_schema().columns)
    pairs = pd.concat([same_files(images)[columns], near[columns]], ignore_index=True)
    # A column without rows has no type of its own.
    return pairs.astype({"first": str, "second": str, "kind": str})


def same_files(images: pd.DataFrame) -> pd.DataFrame:
    """Each image with the first image of the same file, where that is another one."""
    first = images.groupby("sha256")["image"].transform("first")
    pairs = pd.DataFrame({"first": first, "second": images["image"]})
    pairs = pairs[pairs["first"] != pairs["second"]]
    return pairs.assign(kind="file", distance=0, agreement=1.0)
