"""Prepare images: read, check, decode, resize and hash them."""

import hashlib
import stat
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr.images.cache import PreparedImage, Store
from cxr.images.decode import UnusableError, decode, reducible
from cxr.images.patients import is_placeholder
from cxr.images.phash import phashes
from cxr.images.resize import fit
from cxr.images.thumbnail import DETAIL, thumbnail
from cxr.pipeline.flow import NO_FILE
from cxr.pipeline.params import Prepare

Files = dict[str, PreparedImage | None]
"""Usable files by SHA-256: the new image, or None if it was in the store."""

UNKNOWN_FACTS = {"sha256": "", "phash": "", "width": 0, "height": 0, "mode": "", "format": ""}


@dataclass(frozen=True)
class Outcome:
    """The result for one row of the index.

    Attributes:
        facts: the columns that `Images` adds to `Index`, except `row`; and patient and view.
        pixels: uint8 (S, S); None if the image can't be used.
        thumbnail: uint8 (64, 64), of the whole image, independent of the settings; or None.
        mask: lung mask, uint8 (S, S) of 0 and 1; None if there is none.
        lesion: mask of the disease, likewise.
        files: the image and its masks, if they are usable.
    """

    facts: dict[str, Any]
    pixels: NDArray[np.uint8] | None = None
    thumbnail: NDArray[np.uint8] | None = None
    mask: NDArray[np.uint8] | None = None
    lesion: NDArray[np.uint8] | None = None
    files: Files = field(default_factory=dict)


def process_block(
    rows: list[dict[str, str]], raw: Path, settings: Prepare, store_path: Path | None
) -> list[Outcome]:
    """Process rows one after the other, on one core.

    Args:
        store_path: of the store to search first; None to search none.
    """
    cv2.setNumThreads(1)
    with Store(store_path, settings.image_size) if store_path else nullcontext() as store:
        outcomes = [process(row, raw, settings, store) for row in rows]
    # All at once, which takes half the time.
    facts = [outcome.facts for outcome in outcomes if outcome.thumbnail is not None]
    thumbnails = [outcome.thumbnail for outcome in outcomes if outcome.thumbnail is not None]
    for fact, code in zip(facts, phashes(thumbnails), strict=True):
        fact["phash"] = code
    return outcomes


def process(row: dict[str, str], raw: Path, settings: Prepare, store: Store | None) -> Outcome:
    """Prepare one image for the later stages, without its perceptual hash.

    Args:
        row: of the table `Index`. If it has no patient or view, those of a DICOM header are used.
        raw: the folder to which its paths are relative.
        store: is searched first.
    """
    known = {"patient": known_patient(row["patient"]), "view": row["view"]}
    files: Files = {}
    sha256 = ""
    try:
        check_view(row["view"], settings)
        path = raw / row["image"]
        data, sha256 = read(path, settings)
        image = find_or_decode(data, sha256, settings, store, files)
        known = {name: known[name] or image.facts[name] for name in known}
        check_view(known["view"], settings)
        check_content(image)
        mask, lesion = (
            read_mask(raw / row[column], column, settings, store, files) if row[column] else None
            for column in ("mask", "lesion")
        )
    except ExcludedError as error:
        facts = {"status": "excluded", "reason": str(error), **UNKNOWN_FACTS, "sha256": sha256}
        return Outcome(facts | known, files=files)
    except UnusableError as error:
        facts = {"status": "unusable", "reason": str(error), **UNKNOWN_FACTS, "sha256": sha256}
        return Outcome(facts | known, files=files)
    facts = {"status": "ok", "reason": "", **UNKNOWN_FACTS, "sha256": sha256}
    facts = {**facts, **image.facts, **known}
    return Outcome(facts, image.pixels, image.thumbnail, mask, lesion, files)


def known_patient(patient: str) -> str:
    """A patient id; "" if it is a placeholder. In a union, ids begin with the data set's name."""
    placeholder = is_placeholder(patient) or is_placeholder(patient.split("/", 1)[-1])
    return "" if placeholder else patient


class ExcludedError(Exception):
    """The settings exclude images of this kind."""


def check_view(view: str, settings: Prepare) -> None:
    """Check that a view is unknown or one of prepare.views.

    Raises:
        ExcludedError: if not.
    """
    if view and view_key(view) not in map(view_key, settings.views):
        raise ExcludedError(f"view {view} is not in prepare.views")


def view_key(view: str) -> str:
    """A key that is the same for all spellings of a view, which differ in case and spaces."""
    return " ".join(view.casefold().split())


def check_content(image: PreparedImage) -> None:
    """Check that an image shows something.

    Raises:
        UnusableError: if not.
    """
    if image.pixels.min() == image.pixels.max():
        # The thumbnail is of the whole image, of which the square may be a part.
        if image.thumbnail.min() == image.thumbnail.max():
            raise UnusableError("blank: all pixels are equal")
        raise UnusableError("blank after it was made square (prepare.resize_mode)")


def read(path: Path, settings: Prepare) -> tuple[bytes, str]:
    """Read a file: its bytes and their SHA-256.

    Raises:
        UnusableError: if it can't be read, or is larger than an uncompressed image of
            max_megapixels with 8 bytes for each pixel (16-bit RGBA).
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


def find_or_decode(
    data: bytes,
    sha256: str,
    settings: Prepare,
    store: Store | None,
    files: Files,
) -> PreparedImage:
    """Take an image from the store, or decode and resize its file; record it in `files`.

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
    # The thumbnail must not depend on image_size, but the decoded size of a JPEG does.
    fixed = decode(data, settings, DETAIL) if size > DETAIL and reducible(picture) else picture
    new = PreparedImage(pixels, thumbnail(fixed.grey), facts)
    files[sha256] = new
    return new


def read_mask(
    path: Path, column: str, settings: Prepare, store: Store | None, files: Files
) -> NDArray[np.uint8]:
    """Read a mask of lungs or disease, resized like its image: uint8 (S, S) of 0 and 1.

    Args:
        column: of the index that contains it, for the error message.

    Raises:
        UnusableError: if it can't be used.
    """
    try:
        data, sha256 = read(path, settings)
        grey = find_or_decode(data, sha256, settings, store, files).pixels
    except UnusableError as error:
        raise UnusableError(f"its {column}: {error}") from error
    # The value inside a mask is 255 in some sources and 1 in others.
    return (grey > grey.max() / 2).astype(np.uint8)
