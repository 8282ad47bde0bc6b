"""What is done to each image, in any process: read, check, decode, fit, hash."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.params import Prepare
from stages.prepare.decode import UnusableError, decode
from stages.prepare.fit import fit
from stages.prepare.phash import phash
from stages.prepare.store import Fitted, Store

UNKNOWN = {"sha256": "", "phash": "", "width": 0, "height": 0, "mode": "", "format": ""}


@dataclass(frozen=True)
class Outcome:
    """What became of one row of the index.

    Attributes:
        facts: the columns that `Images` adds to `Index`, but for `row`; and patient and view.
        pixels: uint8 (S, S), or None if the image can't be used.
        mask: uint8 (S, S) of 0 and 1, or None if there is none.
        files: by sha256 the files that were usable: their picture, or None if it was in store.
    """

    facts: dict[str, Any]
    pixels: NDArray[np.uint8] | None = None
    mask: NDArray[np.uint8] | None = None
    files: dict[str, Fitted | None] = field(default_factory=dict)


def process_block(
    rows: list[dict[str, str]], raw: Path, settings: Prepare, place: Path
) -> list[Outcome]:
    """Process rows one after the other; `place` is the store's."""
    with Store(place, settings.size) as store:
        return [process(row, raw, settings, store) for row in rows]


def process(row: dict[str, str], raw: Path, settings: Prepare, store: Store) -> Outcome:
    """Bring one image to the form that all later stages use.

    Args:
        row: of the table `Index`. Where it has no patient or view, a DICOM header's are taken.
        raw: the folder that its paths are relative to.
        store: of pictures decoded before.
    """
    known = {"patient": row["patient"], "view": row["view"]}
    files: dict[str, Fitted | None] = {}
    sha256 = ""
    try:
        check_view(row["view"], settings)
        path = raw / row["image"]
        data, sha256 = read(path, settings)
        image = fitted(data, sha256, settings, store, files)
        known = {name: known[name] or image.facts[name] for name in known}
        check_view(known["view"], settings)
        if image.pixels.min() == image.pixels.max():
            raise UnusableError("blank")
        mask = read_mask(raw / row["mask"], settings, store, files) if row["mask"] else None
    except ExcludedError as error:
        facts = {"status": "excluded", "reason": str(error), **UNKNOWN, "sha256": sha256}
        return Outcome(facts | known, files=files)
    except UnusableError as error:
        facts = {"status": "unusable", "reason": str(error), **UNKNOWN, "sha256": sha256}
        return Outcome(facts | known, files=files)
    facts = {"status": "ok", "reason": "", "sha256": sha256, "phash": phash(image.pixels)}
    return Outcome({**facts, **image.facts, **known}, image.pixels, mask, files)


class ExcludedError(Exception):
    """The image is of a kind that the settings leave out."""


def check_view(view: str, settings: Prepare) -> None:
    """Leave out views that are known and not wanted.

    Raises:
        ExcludedError: if this is one.
    """
    if view and view not in settings.views:
        raise ExcludedError(f"view {view} is not in prepare.views")


def read(path: Path, settings: Prepare) -> tuple[bytes, str]:
    """A file's bytes and their sha256.

    Raises:
        UnusableError: if it can't be read, or is larger than any image of max_megapixels is when
            stored without compression (RGBA of 16 bits: 8 bytes a pixel).
    """
    try:
        if path.exists() and not path.is_file():
            raise UnusableError("not a file")
        if path.stat().st_size > settings.max_megapixels * 8e6 + 1e6:
            raise UnusableError("a file larger than prepare.max_megapixels")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UnusableError("no such file") from error
    except OSError as error:
        raise UnusableError(f"unreadable: {error.strerror}") from error
    return data, hashlib.sha256(data).hexdigest()


def fitted(
    data: bytes, sha256: str, settings: Prepare, store: Store, files: dict[str, Fitted | None]
) -> Fitted:
    """Decode and fit a file, or take it from the store; note it in `files`.

    Raises:
        UnusableError: if it can't be used.
    """
    known = store.find(sha256)
    if known:
        files[sha256] = None
        return known
    picture = decode(data, settings)
    facts = {
        "width": picture.width,
        "height": picture.height,
        "mode": picture.mode,
        "format": picture.format,
        "patient": picture.patient,
        "view": picture.view,
    }
    new = Fitted(fit(picture.grey, settings.size, settings.fit), facts)
    files[sha256] = new
    return new


def read_mask(
    path: Path, settings: Prepare, store: Store, files: dict[str, Fitted | None]
) -> NDArray[np.uint8]:
    """A lung mask, fitted like its image: uint8 (S, S) of 0 and 1.

    Raises:
        UnusableError: if it can't be used.
    """
    try:
        data, sha256 = read(path, settings)
        grey = fitted(data, sha256, settings, store, files).pixels
    except UnusableError as error:
        raise UnusableError(f"its mask: {error}") from error
    return (grey > 127).astype(np.uint8)
