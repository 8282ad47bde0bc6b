"""What is done to each image, in any process: read, check, decode, fit, hash."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.params import Prepare
from stages.prepare.decode import UnusableError, decode
from stages.prepare.fit import fit

# 16 x 16 = 256 bits. At the usual 64, unlike chests are as near as copies.
HASH_SIZE = 16

UNKNOWN = {"sha256": "", "phash": "", "width": 0, "height": 0, "mode": "", "format": ""}


@dataclass(frozen=True)
class Outcome:
    """What became of one row of the index.

    Attributes:
        facts: the columns that `Images` adds to `Index`, but for `row`.
        pixels: uint8 (S, S), or None if the image can't be used.
        mask: uint8 (S, S) of 0 and 1, or None if there is none.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    pixels: NDArray[np.uint8] | None = None
    mask: NDArray[np.uint8] | None = None


def process(row: dict[str, str], raw: Path, settings: Prepare) -> Outcome:
    """Bring one image to the form that all later stages use.

    Args:
        row: of the table `Index`.
        raw: the folder that its paths are relative to.
    """
    if row["view"] and row["view"] not in settings.views:
        reason = f"view {row['view']} is not in prepare.views"
        return Outcome({"status": "excluded", "reason": reason, **UNKNOWN})
    sha256 = ""
    try:
        data = read(raw / row["image"])
        sha256 = hashlib.sha256(data).hexdigest()
        picture = decode(data)
        pixels = fit(picture.grey, settings.size, settings.fit)
        mask = read_mask(raw / row["mask"], settings) if row["mask"] else None
    except UnusableError as error:
        return Outcome({"status": "unusable", "reason": str(error), **UNKNOWN, "sha256": sha256})
    facts = {
        "status": "ok",
        "reason": "",
        "sha256": sha256,
        "phash": str(imagehash.phash(Image.fromarray(pixels), hash_size=HASH_SIZE)),
        "width": picture.width,
        "height": picture.height,
        "mode": picture.mode,
        "format": picture.format,
    }
    return Outcome(facts, pixels, mask)


def read(path: Path) -> bytes:
    """Read a file's bytes."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UnusableError("no such file") from error
    except OSError as error:
        raise UnusableError(f"unreadable: {error.strerror}") from error


def read_mask(path: Path, settings: Prepare) -> NDArray[np.uint8]:
    """A lung mask, fitted like its image: uint8 (S, S) of 0 and 1."""
    try:
        grey = decode(read(path)).grey
    except UnusableError as error:
        raise UnusableError(f"its mask: {error}") from error
    return (fit(grey, settings.size, settings.fit) > 127).astype(np.uint8)


def process_block(rows: list[dict[str, str]], raw: Path, settings: Prepare) -> list[Outcome]:
    """Process rows one after the other, on one core."""
    cv2.setNumThreads(1)
    return [process(row, raw, settings) for row in rows]
