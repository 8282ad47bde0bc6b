"""A name for what a result depends on, under which it can be kept for a later run."""

import hashlib
import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cxr.pipeline.files import sha256

PROJECT = Path(__file__).resolve().parents[2]


def fingerprint(
    code: Iterable[str],
    libraries: Iterable[str],
    settings: dict[str, Any],
    inputs: Iterable[Path] = (),
) -> str:
    """Hash all that a result depends on, except the processor.

    Args:
        code: folders of this project, such as stages/train.
        libraries: names of distributions, identified by their installed version.
        settings: JSON-serializable values.
        inputs: files, identified by content.

    Returns:
        hexadecimal, 20 digits.
    """
    modules = sorted(path for folder in code for path in (PROJECT / folder).rglob("*.py"))
    identity = {
        "settings": settings,
        "files": [sha256(path) for path in [*inputs, *modules]],
        "libraries": {name: version(name) for name in libraries},
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:20]
