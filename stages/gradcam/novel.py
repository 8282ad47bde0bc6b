"""Images that were in no data set, brought to what a network was trained on."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from stages.command import UserError
from stages.gradcam import sample
from stages.models import Card
from stages.params import Prepare
from stages.prepare.work import Outcome, process


def listed(places: Iterable[Path]) -> list[Path]:
    """Files, and all files in folders and their sub-folders by name, hidden ones left out."""
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
    """Whether a part of a path begins with a dot."""
    return any(part.startswith(".") for part in path.parts)


def settings(card: Card) -> Prepare:
    """How the images were prepared that a network was trained on.

    Raises:
        UserError: if its model folder does not say.
    """
    try:
        return Prepare(side=card.size, backend="threading", **card.prepare)
    except ValidationError as error:
        raise UserError(
            f"the model {card.architecture} does not say how its images were prepared: "
            "train it again with `dvc repro`."
        ) from error


def read(path: Path, how: Prepare) -> Outcome:
    """Decode and fit an image as `prepare` does; `facts` say the reason if it can't be used."""
    row = {"image": path.name, "patient": "", "view": "", "mask": ""}
    return process(row, path.parent, how, None)


def sampled(folder: Path, card: Card, most: int) -> tuple[pd.DataFrame, NDArray[np.uint8], int]:
    """At most so many images of a folder, in an order that does not depend on the others.

    Returns:
        `image` (its path in the folder), `row`, `label` (empty: unknown) and `group` (each its
        own); the pixels, uint8 (N, S, S); and how many could not be used, which are printed.

    Raises:
        UserError: if there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"params.yaml: gradcam.novel: there is no folder '{folder}'.")
    names = [path.relative_to(folder).as_posix() for path in listed([folder])]
    names = sorted(sample.first(pd.DataFrame({"image": names}, dtype=str), most)["image"])
    outcomes = {name: read(folder / name, settings(card)) for name in names}
    usable = {name: one.pixels for name, one in outcomes.items() if one.pixels is not None}
    for name in sorted(outcomes.keys() - usable.keys()):
        print(f"{folder / name}: {outcomes[name].facts['reason']}")
    images = pd.DataFrame({"image": list(usable)}, dtype=str)
    images = images.assign(row=range(len(usable)), label="", group=images["image"])
    pixels = np.empty((len(usable), card.size, card.size), np.uint8)
    pixels[:] = list(usable.values()) or pixels
    return sample.shuffled(images), pixels, len(outcomes) - len(usable)
