"""What an earlier run found out, so that new images cost only their own descriptions and pairs.

It is in one file, which is no output of the stage, since DVC removes these before it runs. What is
in it never changes a result: an image is known by the content of its file, a pair by those of its
two files, and the whole counts only for the same code, libraries and settings.
"""

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.pipeline.files import atomic_write
from cxr.pipeline.fingerprint import fingerprint
from cxr.pipeline.params import Dedupe
from stages.dedupe.candidates import NO_CANDIDATES
from stages.dedupe.description import Description, undescribed
from stages.dedupe.frames import FRAMES

# The columns of candidates, as small as their values allow: there can be millions.
COLUMNS: dict[str, type] = {
    **dict.fromkeys(["first", "second"], np.int32),
    "distance": np.uint16,
    **dict.fromkeys(["correlation", "agreement"], np.float32),
    **dict.fromkeys(["frame_first", "frame_second", "symmetry"], np.uint8),
}
ARRAYS = ("files", "hashes", "small", *COLUMNS)

CODE = ("stages/dedupe", "cxr/images")
"""The code that it depends on: that of the thumbnails too."""
LIBRARIES = ("opencv-python-headless", "pillow", "pydicom", "numpy")


def run_key(settings: Dedupe) -> str:
    """What it depends on besides the files."""
    return fingerprint(CODE, LIBRARIES, settings.model_dump(exclude={"on_conflict"}))


def recall(path: Path | None, key: str, files: pd.Series) -> tuple[Description, pd.DataFrame]:
    """Look up what is known of images, and of pairs of them.

    Args:
        path: of what `remember` wrote. None, and a file that is missing, damaged, or of another
            key, tell nothing.
        files: SHA-256 of the N images, sorted.

    Returns:
        the description of the images that are known, and the candidates among them: the columns
        of `candidates.find_candidates`, and `agreement`, NaN where no run verified the pair.
    """
    images = undescribed(len(files))
    candidates = NO_CANDIDATES.assign(agreement=np.empty(0))
    kept = load(path, key)
    if kept is None:
        return images, candidates
    # Where the files of now were then, and those of then are now; -1 if they were or are not there.
    then = pd.Index(kept["files"].astype(str))
    now = pd.Index(files)
    places = then.get_indexer(now)
    images.known[:] = places >= 0
    old = places[images.known]
    for frame in range(FRAMES):
        images.hashes[frame, images.known] = kept["hashes"][frame, old]
        images.small[frame, images.known] = kept["small"][frame, old]
    places = now.get_indexer(then)
    known = pd.DataFrame({name: kept[name] for name in candidates}).astype(candidates.dtypes)
    # As they were: both have so few digits.
    known = known.round({"correlation": 4, "agreement": 2})
    # Both are sorted: the first of a pair remains the first.
    for name in ("first", "second"):
        known[name] = places[known[name]]
    return images, known[(known["first"] >= 0) & (known["second"] >= 0)]


def load(path: Path | None, key: str) -> dict[str, NDArray[Any]] | None:
    """Read the arrays; None if they can't be used."""
    if path is None:
        return None
    try:
        with ZipFile(path) as archive, np.load(path) as kept:
            # numpy reads only as much as an array's header says, and no checksum if that is less.
            whole = archive.testzip() is None and str(kept["key"]) == key
            return {name: kept[name] for name in ARRAYS} if whole else None
    # Whatever is wrong with it: without it, the result is the same.
    except Exception:
        return None


def remember(
    path: Path,
    key: str,
    files: pd.Series,
    images: Description,
    candidates: pd.DataFrame,
) -> None:
    """Write what is known after this run, instead of what was known before.

    If that is not possible, a line says so: the next run takes longer, with the same result.

    Args:
        files: SHA-256 of the N images, sorted.
        images: all are described.
        candidates: all that are known, see `recall`.
    """
    try:
        with atomic_write(path) as part:
            np.savez(
                part,
                key=np.array(key),
                files=files.to_numpy(np.bytes_),
                hashes=images.hashes,
                small=images.small,
                **{name: candidates[name].to_numpy(kind) for name, kind in COLUMNS.items()},
            )
    except OSError as error:
        print(f"{path} cannot be written ({error.strerror}): the next run compares all images anew")
