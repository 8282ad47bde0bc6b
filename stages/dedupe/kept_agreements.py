"""Agreements of pairs that an earlier run verified, so that new images cost only their own pairs.

They are in one file, which is no output of the stage, since DVC removes these before it runs. What
is in it never changes a result: a pair is known by the contents of its two files, and the file as a
whole counts only for the same code, libraries and settings.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.pipeline.files import atomic_write
from cxr.pipeline.fingerprint import fingerprint
from stages.dedupe.verification import PAIR

CODE = ("stages/dedupe", "cxr/images")
"""The code that an agreement depends on: that of the thumbnails too."""
LIBRARIES = ("opencv-python-headless", "pillow", "pydicom", "numpy")


def agreements_key(least: float) -> str:
    """What an agreement depends on besides the pair itself, see `verification.verify`."""
    return fingerprint(CODE, LIBRARIES, {"min_agreement": least})


def recall(path: Path, key: str, files: pd.Series, candidates: pd.DataFrame) -> NDArray[np.float64]:
    """Look up what is known of candidates.

    Args:
        path: of what `remember` wrote. A file that is missing, damaged, or of another key tells
            nothing.
        files: SHA-256 of the N files that `candidates` counts, sorted.
        candidates: see `candidates.find_candidates`.

    Returns:
        float (pairs,), NaN where the agreement is unknown.
    """
    unknown = np.full(len(candidates), np.nan)
    if not path.exists():
        return unknown
    try:
        with np.load(path) as kept:
            if str(kept["key"]) != key:
                return unknown
            # Where the files of then are now; -1 if they are gone. Both are sorted.
            places = pd.Index(files).get_indexer(pd.Index(kept["files"].astype(str)))
            pairs = kept["pairs"].astype(np.int64)
            pairs[:, :2] = places[pairs[:, :2]]
            known = pd.DataFrame(pairs, columns=PAIR).assign(agreement=kept["agreement"])
    # Whatever is wrong with it: without it, the result is the same.
    except Exception:
        return unknown
    merged = candidates[PAIR].merge(known, on=PAIR, how="left")
    # A copy, since the one of pandas is read-only.
    return merged["agreement"].to_numpy(np.float64, copy=True)


def remember(
    path: Path,
    key: str,
    files: pd.Series,
    candidates: pd.DataFrame,
    agreement: NDArray[np.float64],
) -> None:
    """Write what is known of all candidates of this run, instead of what was known before.

    Args:
        files, candidates: as of `recall`.
        agreement: (pairs,).
    """
    with atomic_write(path) as part:
        np.savez(
            part,
            key=np.array(key),
            files=files.to_numpy(np.bytes_),
            pairs=candidates[PAIR].to_numpy(np.int32),
            agreement=agreement,
        )
