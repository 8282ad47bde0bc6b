"""What an earlier run found out, so that new images cost only their own descriptions and pairs.

It is in one file, which is no output of the stage, since DVC removes these before it runs. What is
in it never changes a result: an image is known by the content of its file, a pair by those of its
two files, and the whole counts only for the same code, libraries and settings.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.pipeline.files import atomic_write
from cxr.pipeline.fingerprint import fingerprint
from stages.dedupe.description import Description, undescribed
from stages.dedupe.verification import PAIR

CODE = ("stages/dedupe", "cxr/images")
"""The code that it depends on: that of the thumbnails too."""
LIBRARIES = ("opencv-python-headless", "pillow", "pydicom", "numpy")


def run_key(least: float) -> str:
    """What it depends on besides the files, see `verification.verify`."""
    return fingerprint(CODE, LIBRARIES, {"min_agreement": least})


def recall_description(path: Path | None, key: str, files: pd.Series) -> Description:
    """Look up what is known of images.

    Args:
        path: of what `remember` wrote. None, and a file that is missing, damaged, or of another
            key, tell nothing.
        files: SHA-256 of the N images.
    """
    images = undescribed(len(files))
    if kept := load(path, key, "files", "hashes", "small"):
        places = pd.Index(kept["files"].astype(str)).get_indexer(pd.Index(files))
        images.known[:] = places >= 0
        old = places[images.known]
        for frame in range(len(images.hashes)):
            images.hashes[frame, images.known] = kept["hashes"][frame, old]
            images.small[frame, images.known] = kept["small"][frame, old]
    return images


def recall_agreement(
    path: Path | None, key: str, files: pd.Series, candidates: pd.DataFrame
) -> NDArray[np.float64]:
    """Look up what is known of candidates.

    Args:
        path, key, files: as of `recall_description`; sorted.
        candidates: see `candidates.find_candidates`.

    Returns:
        float (pairs,), NaN where the agreement is unknown.
    """
    kept = load(path, key, "files", "pairs", "agreement")
    if kept is None:
        return np.full(len(candidates), np.nan)
    # Where the files of then are now; -1 if they are gone. Both are sorted.
    places = pd.Index(files).get_indexer(pd.Index(kept["files"].astype(str)))
    pairs = kept["pairs"].astype(np.int64)
    pairs[:, :2] = places[pairs[:, :2]]
    known = pd.DataFrame(pairs, columns=PAIR).assign(agreement=kept["agreement"])
    merged = candidates[PAIR].merge(known, on=PAIR, how="left")
    # A copy, since the one of pandas is read-only.
    return merged["agreement"].to_numpy(np.float64, copy=True)


def load(path: Path | None, key: str, *names: str) -> dict[str, NDArray[Any]] | None:
    """Read arrays by name; None if they can't be used."""
    if path is None:
        return None
    try:
        with np.load(path) as kept:
            return {name: kept[name] for name in names} if str(kept["key"]) == key else None
    # Whatever is wrong with it: without it, the result is the same.
    except Exception:
        return None


def remember(
    path: Path,
    key: str,
    files: pd.Series,
    images: Description,
    candidates: pd.DataFrame,
    agreement: NDArray[np.float64],
) -> None:
    """Write what is known after this run, instead of what was known before.

    If that is not possible, a line says so: the next run takes longer, with the same result.

    Args:
        files: SHA-256 of the N images, sorted.
        images: all are described.
        candidates: see `candidates.find_candidates`.
        agreement: (pairs,).
    """
    try:
        with atomic_write(path) as part:
            np.savez(
                part,
                key=np.array(key),
                files=files.to_numpy(np.bytes_),
                hashes=images.hashes,
                small=images.small,
                pairs=candidates[PAIR].to_numpy(np.int32),
                agreement=agreement,
            )
    except OSError as error:
        print(f"{path} cannot be written ({error.strerror}): the next run compares all images anew")
