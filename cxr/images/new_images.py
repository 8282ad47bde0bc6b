"""Images that were in no data set, brought to what a network was trained on."""

from collections.abc import Iterable
from pathlib import Path

from cxr.images.process import Outcome, process
from cxr.pipeline.files import is_clutter
from cxr.pipeline.params import Prepare


def listed(places: Iterable[Path]) -> list[Path]:
    """Files, and all files in folders and their sub-folders by name, without hidden ones."""
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            inside = (path for path in place.rglob("*") if path.is_file())
            shown = (path for path in inside if not hidden(path.relative_to(place)))
            found += sorted(shown)
        else:
            found.append(place)
    return found


def hidden(path: Path) -> bool:
    """Whether a part of a path is hidden, or clutter of an operating system."""
    return any(is_clutter(part) for part in path.parts)


def read(path: Path, how: Prepare) -> Outcome:
    """Decode and fit an image as `prepare` does; `facts` say the reason if it can't be used."""
    row = {"image": path.name, "patient": "", "view": "", "mask": "", "lesion": ""}
    return process(row, path.parent, how, None)
