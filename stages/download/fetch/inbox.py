"""The inbox: a folder with data sets that the user put there, as folders or archives."""

import shutil
from pathlib import Path

import pandas as pd

from cxr.pipeline.errors import UserError
from stages.download.fetch.archives import SUFFIXES
from stages.download.listing import visible


def find(inbox: Path, dataset: str, in_union: bool = False) -> Path | None:
    """The folder or archive of a data set; None if it must be downloaded.

    The data set `folder` is the inbox itself, unless it is part of a union.

    Raises:
        UserError: if there is none, and it is the user's own data, which can't be downloaded.
    """
    if dataset == "folder" and not in_union:
        return inbox
    for candidate in [inbox / dataset, *(inbox / f"{dataset}{suffix}" for suffix in SUFFIXES)]:
        if candidate.is_file() or any(visible(candidate, Path.exists)):
            return candidate
    if dataset == "folder":
        raise UserError(
            f"{inbox} has no folder/: put your images there, one sub-folder for each class."
        )
    return None


def transfer_files(index: pd.DataFrame, source: Path, target: Path, keep: bool) -> None:
    """Copy or move the images and masks of an index; `prepare` reports missing ones.

    Args:
        keep: whether to copy them, so that they stay in `source`.

    Raises:
        UserError: if a path leads out of the folder.
    """
    for name in sorted({*index["image"], *index["mask"], *index["lesion"]} - {""}):
        if not (target / name).resolve().is_relative_to(target.resolve()):
            raise UserError(f"{source}: '{name}' leads out of its folder: correct it in the table.")
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (shutil.copyfile if keep else shutil.move)(source / name, target / name)
