"""Read images that are in no data set, prepared in the same way as the training images."""

from collections.abc import Iterable
from pathlib import Path

from cxr.images.process import Outcome, process
from cxr.pipeline.files import is_clutter
from cxr.pipeline.params import Prepare


def listed(places: Iterable[Path]) -> list[Path]:
    """The given files, and all visible files below the given folders, sorted."""
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
    """Whether any part of a path is hidden or a system file."""
    return any(is_clutter(part) for part in path.parts)


def read(path: Path, how: Prepare) -> Outcome:
    """Decode and resize an image as `prepare` does; `facts` has the reason if it can't be used."""
    row = {"image": path.name, "patient": "", "view": "", "mask": "", "lesion": ""}
    return process(row, path.parent, how, None)
