"""A cache of decoded images, so that `prepare` decodes each file only once.

There is one SQLite file for each combination of settings; the key is the hash of an image file.
Workers read it, one process writes it. Losing it only costs time, so its errors never stop a run: a
damaged entry is decoded again, a damaged file is replaced by an empty one, and if the disk is full,
nothing more is stored.
"""

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from cxr.images.thumbnail import SIDE
from cxr.pipeline.experiment import queued_in
from cxr.pipeline.params import Prepare

KEEP = 3
"""Number of stores that are kept: those that were used last."""
CODE = ("decode.py", "dicom.py", "patients.py", "resize.py", "thumbnail.py")
"""Modules on which the stored images depend; a change of one starts another store."""


@dataclass(frozen=True)
class PreparedImage:
    """A decoded and resized image, as it is stored.

    Attributes:
        pixels: uint8 (S, S).
        thumbnail: uint8 (64, 64), see `cxr.images.thumbnail`.
        facts: width, height, mode and format; patient and view if the header names them.
    """

    pixels: NDArray[np.uint8]
    thumbnail: NDArray[np.uint8]
    facts: dict[str, Any]


def store_path(folder: Path, settings: Prepare) -> Path:
    """The path of the store for these settings, this code and this version of Pillow.

    A queued experiment, which runs in a temporary directory, shares the stores of the repository
    in which it was queued.
    """
    key = hashlib.sha256(PIL.__version__.encode())
    key.update(json.dumps(settings.model_dump(exclude={"views", "backend"})).encode())
    for name in CODE:
        key.update(Path(__file__).with_name(name).read_bytes())
    return (queued_in() or Path.cwd()) / folder / f"{key.hexdigest()[:16]}.sqlite"


class Store:
    """The images of one combination of settings; open for the time of a `with` block."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size

    def __enter__(self) -> "Store":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._open()
        return self

    def __exit__(self, *error: object) -> None:
        self.connection.close()

    def _open(self) -> None:
        try:
            self._connect()
        except sqlite3.DatabaseError as error:
            self._recreate_if_damaged(error)

    def _connect(self) -> None:
        self.connection = sqlite3.connect(self.path, timeout=60)
        # Faster. A store that a power failure damages is created again.
        self.connection.execute("PRAGMA synchronous = OFF")
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS images "
            "(sha256 TEXT PRIMARY KEY, facts TEXT, pixels BLOB, thumbnail BLOB, crc INTEGER)"
        )

    def _recreate_if_damaged(self, error: sqlite3.DatabaseError) -> None:
        # An OperationalError is a full disk or a lock of another process, not damage.
        if not isinstance(error, sqlite3.OperationalError):
            self.connection.close()
            self.path.unlink(missing_ok=True)
            self._connect()

    def empty(self) -> bool:
        """Whether nothing is stored, so that workers need not search it."""
        try:
            return self.connection.execute("SELECT 1 FROM images LIMIT 1").fetchone() is None
        except sqlite3.DatabaseError:
            return True

    def find(self, sha256: str) -> PreparedImage | None:
        """The image of a file; None if it is not stored or its entry is damaged."""
        query = "SELECT facts, pixels, thumbnail, crc FROM images WHERE sha256 = ?"
        try:
            row = self.connection.execute(query, (sha256,)).fetchone()
        except sqlite3.DatabaseError:
            return None
        if row is None or row[3] != checksum(*row[:3]):
            return None
        pixels = np.frombuffer(row[1], np.uint8).reshape(self.size, self.size)
        thumbnail = np.frombuffer(row[2], np.uint8).reshape(SIDE, SIDE)
        return PreparedImage(pixels, thumbnail, json.loads(row[0]))

    def add(self, files: dict[str, PreparedImage]) -> None:
        """Store images by the SHA-256 of their files."""
        rows = []
        for sha256, image in files.items():
            facts = json.dumps(image.facts)
            pixels, thumbnail = image.pixels.tobytes(), image.thumbnail.tobytes()
            rows.append((sha256, facts, pixels, thumbnail, checksum(facts, pixels, thumbnail)))
        try:
            with self.connection:
                self.connection.executemany(
                    "INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?)", rows
                )
        except sqlite3.DatabaseError as error:
            self._recreate_if_damaged(error)

    def prune(self, used: Iterable[str]) -> None:
        """Remove all images except these, and the stores that have been unused for longest."""
        with suppress(sqlite3.DatabaseError), self.connection:
            self.connection.execute("CREATE TEMP TABLE used (sha256 TEXT PRIMARY KEY)")
            rows = ((sha256,) for sha256 in used)
            self.connection.executemany("INSERT OR IGNORE INTO used VALUES (?)", rows)
            self.connection.execute(
                "DELETE FROM images WHERE sha256 NOT IN (SELECT sha256 FROM used)"
            )
        self.path.touch()
        stores = sorted(self.path.parent.glob("*.sqlite"), key=lambda path: path.stat().st_mtime)
        for old in stores[:-KEEP]:
            old.unlink(missing_ok=True)


def checksum(facts: str, pixels: bytes, thumbnail: bytes) -> int:
    """A checksum that detects damaged entries."""
    return zlib.crc32(thumbnail, zlib.crc32(pixels, zlib.crc32(facts.encode())))
