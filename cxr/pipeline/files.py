"""Files: atomic writing, JSON with a fixed layout, checksums, hidden and system files."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file or a folder completely or not at all.

    The block writes to the temporary path that it gets. If it ends without an error, the result
    replaces `path`. Otherwise it is removed, and `path` is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # With the same suffix, by which matplotlib, numpy and OpenCV choose the format.
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    remove(part)
    try:
        yield part
        if part.is_dir():
            remove(path)
        part.replace(path)
    finally:
        remove(part)


CLUTTER = {"thumbs.db", "desktop.ini", "__macosx"}


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name is hidden or created by an operating system."""
    return name.startswith(".") or name.lower() in CLUTTER


def remove(path: Path) -> None:
    """Remove a file or a folder if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON with a fixed layout: the same content gives the same bytes.

    Floats are rounded to six decimals, far more precise than any interval reported here.

    Raises:
        ValueError: for NaN and infinity, which JSON does not support (use None).
    """
    with atomic_write(path) as part:
        text = json.dumps(rounded(content), indent=2, ensure_ascii=False, allow_nan=False)
        part.write_text(text + "\n", encoding="utf-8")


def rounded(value: Any) -> Any:
    """Round every float in nested dictionaries and lists to six decimals."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    # Adding 0.0 turns -0.0 into 0.0.
    return round(float(value), 6) + 0.0 if isinstance(value, float) else value


def file_name(title: str) -> str:
    """A file name for a class or an image, whose own name may contain slashes."""
    return quote(title, safe=" ,")


def sha256(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
