"""How each data set lays its files out: from a folder to the table `Index`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from stages.command import UserError

COLUMNS = ["image", "label", "patient", "source", "official_split", "view", "mask"]

SIDES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}

# What operating systems leave in folders.
CLUTTER = {"thumbs.db", "desktop.ini", "__macosx"}


def covid_chestxray(root: Path) -> pd.DataFrame:
    """The covid-chestxray data set: images/, metadata.csv, lung masks in annotations/.

    Rows without a file and files without a row both get a row here.
    """
    metadata = read_metadata(root / "metadata.csv")
    images = metadata["folder"] + "/" + metadata["filename"]
    table = pd.DataFrame(
        {
            "image": images,
            "label": metadata["finding"].str.strip(),
            "patient": metadata["patientid"].str.strip(),
            "view": metadata["view"].str.strip(),
        }
    ).drop_duplicates()
    if twice := sorted(table["image"][table["image"].duplicated()]):
        raise UserError(
            f"{root / 'metadata.csv'} has rows that disagree on {twice[0]}: keep one of them."
        )
    unnamed = sorted(set(posix_files(root / "images", root)) - set(images))
    table = pd.concat([table, pd.DataFrame({"image": unnamed})], ignore_index=True).fillna("")
    masks = set(posix_files(root / "annotations/lungVAE-masks", root))
    table["mask"] = [
        mask if (mask := f"annotations/lungVAE-masks/{Path(image).stem}_mask.png") in masks else ""
        for image in table["image"]
    ]
    table["source"] = "covid_chestxray"
    table["official_split"] = ""
    return table[COLUMNS]


def read_metadata(path: Path) -> pd.DataFrame:
    """Read metadata.csv as text.

    Raises:
        UserError: if it is missing or lacks a column that is needed.
    """
    try:
        metadata = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(f"{path}: no readable metadata.csv ({error}).") from error
    needed = ["patientid", "finding", "view", "folder", "filename"]
    if missing := [name for name in needed if name not in metadata]:
        raise UserError(f"{path} has no column {', '.join(missing)}: is it the published file?")
    return metadata


def covid19_image(root: Path) -> pd.DataFrame:
    """The covid19-image-dataset: train/ and test/, one folder a class below.

    Copies of it name the test folder `val`; there is no third part.
    """
    table = class_folders(root, "covid19_image")
    table["official_split"] = table["official_split"].replace("val", "test")
    return table


def folder(root: Path) -> pd.DataFrame:
    """A user's own images: one folder a class, train/val/test above if there is a split."""
    return class_folders(root, "folder")


def class_folders(root: Path, source: str) -> pd.DataFrame:
    """Read `[train|val|test/]class/**/file`, below any number of single folders.

    Raises:
        UserError: if there are fewer than two classes, or a class without files.
    """
    top = descend(root)
    sides = [path for path in subfolders(top) if path.name.lower() in SIDES]
    parents = {path: SIDES[path.name.lower()] for path in sides} or {top: ""}
    rows = [
        {"image": image, "label": label.name, "official_split": side}
        for parent, side in parents.items()
        for label in subfolders(parent)
        for image in files_of_class(label, root)
    ]
    table = pd.DataFrame(rows, columns=["image", "label", "official_split"], dtype=str)
    labels = sorted(set(table["label"]))
    if len(labels) < 2:
        raise UserError(
            f"{root}: found {len(labels)} class folders with images, needed are two or more. "
            "Put the images into one sub-folder for each class, with train/, val/ and test/ above "
            "them if the split is given."
        )
    return table.assign(patient="", source=source, view="", mask="")[COLUMNS]


def files_of_class(label: Path, root: Path) -> list[str]:
    """The files of one class.

    Raises:
        UserError: if there are none.
    """
    if files := posix_files(label, root):
        return files
    raise UserError(f"{label}: this class has no images. Fill the folder or remove it.")


def descend(root: Path) -> Path:
    """Step into a folder as long as it holds exactly one sub-folder."""
    while len(inside := subfolders(root)) == 1:
        root = inside[0]
    return root


def subfolders(root: Path) -> list[Path]:
    """The visible folders in a folder, by name."""
    return list(visible(root, Path.is_dir))


def visible(root: Path, kind: Callable[[Path], bool]) -> Iterator[Path]:
    """Entries of a folder for which `kind` holds, by name, without hidden ones and clutter."""
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        if not path.name.startswith(".") and path.name.lower() not in CLUTTER and kind(path):
            yield path


def posix_files(folder: Path, root: Path) -> list[str]:
    """All visible files below a folder as POSIX paths relative to `root`, by name."""
    files = [path.relative_to(root).as_posix() for path in visible(folder, Path.is_file)]
    return files + [name for inner in subfolders(folder) for name in posix_files(inner, root)]
