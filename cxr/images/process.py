"""What is done to each image, in any process: read, check, decode, fit, hash."""

import hashlib
import stat
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr.images.cache import Fitted, Store
from cxr.images.decode import UnusableError, decode, reducible
from cxr.images.patients import is_placeholder
from cxr.images.phash import phashes
from cxr.images.resize import fit
from cxr.images.thumbnail import DETAIL, thumbnail
from cxr.pipeline.flow import NO_FILE
from cxr.pipeline.params import Prepare

# By sha256: what a usable file has become, or None if it was in the store.
Files = dict[str, Fitted | None]

UNKNOWN = {"sha256": "", "phash": "", "width": 0, "height": 0, "mode": "", "format": ""}


@dataclass(frozen=True)
class Outcome:
    """What became of one row of the index.

    Attributes:
        facts: the columns that `Images` adds to `Index`, but for `row`; and patient and view.
        pixels: uint8 (S, S), or None if the image can't be used.
        thumbnail: uint8 (64, 64), of the whole image whatever the settings, or None.
        mask: of the lungs, uint8 (S, S) of 0 and 1, or None if there is none.
        lesion: the same of the disease.
        files: the image and its masks, if they were usable.
    """

    facts: dict[str, Any]
    pixels: NDArray[np.uint8] | None = None
    thumbnail: NDArray[np.uint8] | None = None
    mask: NDArray[np.uint8] | None = None
    lesion: NDArray[np.uint8] | None = None
    files: Files = field(default_factory=dict)


def process_block(
    rows: list[dict[str, str]], raw: Path, settings: Prepare, place: Path | None
) -> list[Outcome]:
    """Process rows one after the other, on one core.

    Args:
        place: of the store of pictures decoded before; None = there is none.
    """
    cv2.setNumThreads(1)
    with Store(place, settings.image_size) if place else nullcontext() as store:
        outcomes = [process(row, raw, settings, store) for row in rows]
    # Many at once: alone, a hash costs twice the time.
    facts = [outcome.facts for outcome in outcomes if outcome.thumbnail is not None]
    thumbnails = [outcome.thumbnail for outcome in outcomes if outcome.thumbnail is not None]
    for fact, code in zip(facts, phashes(thumbnails), strict=True):
        fact["phash"] = code
    return outcomes


def process(row: dict[str, str], raw: Path, settings: Prepare, store: Store | None) -> Outcome:
    """Bring one image to the form that all later stages use; its hash is yet to come.

    Args:
        row: of the table `Index`. Where it has no patient or view, a DICOM header's are taken.
        raw: the folder that its paths are relative to.
        store: of pictures decoded before.
    """
    known = {"patient": known_patient(row["patient"]), "view": row["view"]}
    files: Files = {}
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
        mask, lesion = (
            read_mask(raw / row[column], column, settings, store, files) if row[column] else None
            for column in ("mask", "lesion")
        )
    except ExcludedError as error:
        facts = {"status": "excluded", "reason": str(error), **UNKNOWN, "sha256": sha256}
        return Outcome(facts | known, files=files)
    except UnusableError as error:
        facts = {"status": "unusable", "reason": str(error), **UNKNOWN, "sha256": sha256}
        return Outcome(facts | known, files=files)
    facts = {"status": "ok", "reason": "", **UNKNOWN, "sha256": sha256}
    facts = {**facts, **image.facts, **known}
    return Outcome(facts, image.pixels, image.thumbnail, mask, lesion, files)


def known_patient(patient: str) -> str:
    """A patient id, "" if it is a placeholder; in a union it follows the data set's name."""
    alone = is_placeholder(patient) or is_placeholder(patient.split("/", 1)[-1])
    return "" if alone else patient


class ExcludedError(Exception):
    """The image is of a kind that the settings leave out."""


def check_view(view: str, settings: Prepare) -> None:
    """Leave out views that are known and not wanted.

    Raises:
        ExcludedError: if this is one.
    """
    if view and normalized(view) not in map(normalized, settings.views):
        raise ExcludedError(f"view {view} is not in prepare.views")


def normalized(text: str) -> str:
    """A view without differences in case and spaces, which sources write in many ways."""
    return " ".join(text.lower().split())


def read(path: Path, settings: Prepare) -> tuple[bytes, str]:
    """A file's bytes and their sha256.

    Raises:
        UnusableError: if it can't be read, or is larger than any image of max_megapixels is when
            stored without compression (RGBA of 16 bits: 8 bytes a pixel).
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise UnusableError("not a file")
        if about.st_size > settings.max_megapixels * 8e6 + 1e6:
            raise UnusableError("a file larger than prepare.max_megapixels")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UnusableError(NO_FILE) from error
    except OSError as error:
        raise UnusableError(f"unreadable: {error.strerror}") from error
    return data, hashlib.sha256(data).hexdigest()


def fitted(
    data: bytes,
    sha256: str,
    settings: Prepare,
    store: Store | None,
    files: Files,
) -> Fitted:
    """Decode and fit a file, or take it from the store; note it in `files`.

    Raises:
        UnusableError: if it can't be used.
    """
    known = store.find(sha256) if store else None
    if known:
        files[sha256] = None
        return known
    size = settings.image_size
    picture = decode(data, settings, max(size, DETAIL))
    facts = {
        "width": picture.width,
        "height": picture.height,
        "mode": picture.mode,
        "format": picture.format,
        "patient": picture.patient,
        "view": picture.view,
    }
    pixels = fit(picture.grey, size, settings.resize_mode)
    # Only JPEG is decoded to a size that depends on image_size, and only if that is large.
    fixed = decode(data, settings, DETAIL) if size > DETAIL and reducible(picture) else picture
    new = Fitted(pixels, thumbnail(fixed.grey), facts)
    files[sha256] = new
    return new


def read_mask(
    path: Path, column: str, settings: Prepare, store: Store | None, files: Files
) -> NDArray[np.uint8]:
    """A mask of the lungs or of the disease, fitted like its image: uint8 (S, S) of 0 and 1.

    Args:
        column: that names it in the index, for the reason why it can't be used.

    Raises:
        UnusableError: if it can't be used.
    """
    try:
        data, sha256 = read(path, settings)
        grey = fitted(data, sha256, settings, store, files).pixels
    except UnusableError as error:
        raise UnusableError(f"its {column}: {error}") from error
    # Masks are drawn in 255, or in 1.
    return (grey > grey.max() / 2).astype(np.uint8)
