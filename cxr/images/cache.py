"""Pictures that were decoded before, by the hash of their file: what they need not be decoded for.

One SQLite file for each set of settings. Workers read it, one process writes it. Losing it costs
time only, so nothing here ends a run: an entry that is damaged is decoded again, a file that is
damaged is begun again, and a full disk ends the storing.
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

# So many sets of settings are kept, those used last.
KEEP = 3
# Files that decide what a picture becomes; a change of one makes another store.
CODE = ("decode.py", "dicom.py", "patients.py", "resize.py", "thumbnail.py")


@dataclass(frozen=True)
class Fitted:
    """A picture as it is stored.

    Attributes:
        pixels: uint8 (S, S).
        thumbnail: uint8 (64, 64), see `cxr.images.thumbnail`.
        facts: width, height, mode and format; patient and view if the header names them.
    """

    pixels: NDArray[np.uint8]
    thumbnail: NDArray[np.uint8]
    facts: dict[str, Any]


def place(folder: Path, settings: Prepare) -> Path:
    """The store of these settings, of this code and of Pillow's version.

    A queued experiment, which runs in a temporary directory, shares the store of the repository
    that it was queued in.
    """
    key = hashlib.sha256(PIL.__version__.encode())
    key.update(json.dumps(settings.model_dump(exclude={"views", "backend"})).encode())
    for name in CODE:
        key.update(Path(__file__).with_name(name).read_bytes())
    return (queued_in() or Path.cwd()) / folder / f"{key.hexdigest()[:16]}.sqlite"


class Store:
    """The store of one set of settings, for the time of a `with` block."""

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
            self._begin_again(error)

    def _connect(self) -> None:
        self.connection = sqlite3.connect(self.path, timeout=60)
        # A store that a power cut damaged is begun again: no need to wait for the disk.
        self.connection.execute("PRAGMA synchronous = OFF")
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS fitted "
            "(sha256 TEXT PRIMARY KEY, facts TEXT, pixels BLOB, thumbnail BLOB, crc INTEGER)"
        )

    def _begin_again(self, error: sqlite3.DatabaseError) -> None:
        # A full disk or another's lock is no damage.
        if not isinstance(error, sqlite3.OperationalError):
            self.connection.close()
            self.path.unlink(missing_ok=True)
            self._connect()

    def empty(self) -> bool:
        """Whether nothing is stored, so that asking costs time only."""
        try:
            return self.connection.execute("SELECT 1 FROM fitted LIMIT 1").fetchone() is None
        except sqlite3.DatabaseError:
            return True

    def find(self, sha256: str) -> Fitted | None:
        """The picture of a file, if it is there and whole."""
        query = "SELECT facts, pixels, thumbnail, crc FROM fitted WHERE sha256 = ?"
        try:
            row = self.connection.execute(query, (sha256,)).fetchone()
        except sqlite3.DatabaseError:
            return None
        if row is None or row[3] != checksum(*row[:3]):
            return None
        pixels = np.frombuffer(row[1], np.uint8).reshape(self.size, self.size)
        thumbnail = np.frombuffer(row[2], np.uint8).reshape(SIDE, SIDE)
        return Fitted(pixels, thumbnail, json.loads(row[0]))

    def add(self, files: dict[str, Fitted]) -> None:
        """Store the pictures of files, given by their sha256."""
        rows = []
        for sha256, fitted in files.items():
            facts = json.dumps(fitted.facts)
            pixels, thumbnail = fitted.pixels.tobytes(), fitted.thumbnail.tobytes()
            rows.append((sha256, facts, pixels, thumbnail, checksum(facts, pixels, thumbnail)))
        try:
            with self.connection:
                self.connection.executemany(
                    "INSERT OR REPLACE INTO fitted VALUES (?, ?, ?, ?, ?)", rows
                )
        except sqlite3.DatabaseError as error:
            self._begin_again(error)

    def prune(self, used: Iterable[str]) -> None:
        """Forget all files but these, and the settings that were not used for longest."""
        with suppress(sqlite3.DatabaseError), self.connection:
            self.connection.execute("CREATE TEMP TABLE used (sha256 TEXT PRIMARY KEY)")
            rows = ((sha256,) for sha256 in used)
            self.connection.executemany("INSERT OR IGNORE INTO used VALUES (?)", rows)
            self.connection.execute(
                "DELETE FROM fitted WHERE sha256 NOT IN (SELECT sha256 FROM used)"
            )
        self.path.touch()
        stores = sorted(self.path.parent.glob("*.sqlite"), key=lambda path: path.stat().st_mtime)
        for old in stores[:-KEEP]:
            old.unlink(missing_ok=True)


def checksum(facts: str, pixels: bytes, thumbnail: bytes) -> int:
    """What tells a damaged entry."""
    return zlib.crc32(thumbnail, zlib.crc32(pixels, zlib.crc32(facts.encode())))
