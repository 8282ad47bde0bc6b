"""A user's own images: class folders, or a table of them."""

from pathlib import Path, PurePosixPath

import pandas as pd

from cxr.pipeline.errors import UserError
from cxr.pipeline.params import nearest
from stages.download.listing import posix_files, subfolders
from stages.download.sources.layouts import SIDES, class_folders
from stages.download.sources.records import age, sex

TABLE = "index.csv"
KNOWN = ["image", "label", "patient", "source", "official_split", "view", "sex", "age", "mask"]


def folder(root: Path) -> pd.DataFrame:
    """One folder a class with train/val/test above, or index.csv, or both.

    index.csv has the column `image` (a path relative to the folder) and any of label, patient,
    source, official_split, view, sex, age and mask. Where it has labels, class folders are not
    needed, and images in sub-folders that it does not name are unlabelled. Where it has none,
    the folders tell them, and it adds to what they tell.

    Raises:
        UserError: if the layout or the table is not as described.
    """
    if not (root / TABLE).is_file():
        return class_folders(root)
    told = read_table(root / TABLE)
    if "label" in told:
        masks = set(told.get("mask", []))
        inside = [name for inner in subfolders(root) for name in posix_files(inner, root)]
        found = pd.DataFrame({"image": [name for name in inside if name not in masks]}, dtype=str)
    else:
        found = class_folders(root)
    table = found.set_index("image").reindex(sorted({*found["image"], *told["image"]}))
    told = told.set_index("image")
    for column in told:
        table[column] = (
            told[column]
            .reindex(table.index)
            .combine_first(table[column] if column in table else pd.Series("", table.index))
        )
    return table.reset_index().fillna("")


def read_table(path: Path) -> pd.DataFrame:
    """Read index.csv as text, in the words of the table `Index`.

    Raises:
        UserError: for a column or a value that the table `Index` does not know.
    """
    try:
        told = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise UserError(f"{path} is no readable CSV in UTF-8 ({error}).") from error
    told = told.map(str.strip)
    for column in told:
        if column not in KNOWN:
            raise UserError(
                f"{path}: unknown column '{column}'{nearest(str(column), KNOWN)}. "
                f"There are: {', '.join(KNOWN)}, separated by commas."
            )
    if "image" not in told:
        raise UserError(f"{path} has no column image: name each image, relative to the folder.")
    check_paths(path, told["image"])
    if twice := sorted(told["image"][told["image"].duplicated()]):
        raise UserError(f"{path} names {twice[0]} twice: keep one of the rows.")
    if "mask" in told:
        check_paths(path, told["mask"][told["mask"] != ""])
    words = {"official_split": side, "sex": sex, "age": age}
    for column in [name for name in words if name in told]:
        read = told[column].map(words[column])
        if unclear := sorted(told[column][(read == "") & (told[column] != "")]):
            raise UserError(f"{path}: {column}: '{unclear[0]}' is invalid. {MEANINGS[column]}")
        told[column] = read
    return told


MEANINGS = {
    "official_split": "Write train, val, test or nothing.",
    "sex": "Write F, M or nothing.",
    "age": "Write years as a number, or nothing.",
}


def side(text: str) -> str:
    """train, val, test, or "" for anything else."""
    return SIDES.get(text.lower(), "")


def check_paths(table: Path, names: pd.Series) -> None:
    """Refuse paths that do not lie in the folder."""
    for name in names:
        path = PurePosixPath(name)
        if not name or path.is_absolute() or ".." in path.parts or str(path) != name:
            raise UserError(
                f"{table}: '{name}' is no path inside the folder: write it as class/file.png."
            )
