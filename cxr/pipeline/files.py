"""Outputs that are whole or not there: written under a temporary name, renamed when complete."""

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
    """Give a temporary path beside `path` to write a file or a folder to.

    When the block ends without an error, what was written takes the place of `path`; after an
    error it is removed and `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays, because writers (matplotlib, numpy, OpenCV) choose the format by it.
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
    """Whether a file or folder of this name is hidden (AppleDouble files are) or clutter."""
    return name.startswith(".") or name.lower() in CLUTTER


def remove(path: Path) -> None:
    """Remove a file or a folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON with a fixed layout: the same content gives the same bytes.

    Numbers are rounded to six decimals, which is far below any interval reported here.

    Raises:
        ValueError: for NaN and infinity, which JSON does not have (use None).
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
    # Plus 0.0: what rounds to -0.0 is 0.0.
    return round(float(value), 6) + 0.0 if isinstance(value, float) else value


def file_name(title: str) -> str:
    """The name of a class or an image as that of a file, which can hold no slash."""
    return quote(title, safe=" ,")


def sha256(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
