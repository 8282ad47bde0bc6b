"""The COVID-19 Radiography Database (Chowdhury et al. 2020, Rahman et al. 2021)."""

import zipfile
from pathlib import Path, PurePosixPath

import pandas as pd

from cxr.pipeline.errors import UserError
from stages.download.listing import descend, posix_files, subfolders, visible


def radiography(root: Path) -> pd.DataFrame:
    """Read `<class>/images/`, `<class>/masks/` and `<class>.metadata.xlsx`.

    In older releases, the images are in the class folder itself, without masks. The source of an
    image is its URL in the metadata, if it is listed there.

    Raises:
        UserError: if there are fewer than two classes, or the metadata can't be read.
    """
    top = descend(root)
    rows = [row for label in subfolders(top) for row in rows_of_class(label, root)]
    table = pd.DataFrame(rows, columns=["image", "label", "source", "mask"], dtype=str)
    if table["label"].nunique() < 2:
        raise UserError(
            f"{top}: found {table['label'].nunique()} of the Radiography Database's class folders, "
            "such as COVID/images: is it the whole published folder?"
        )
    return table


def rows_of_class(label: Path, root: Path) -> list[dict[str, str]]:
    """One row for each image of a class folder."""
    inside = label / "images"
    images = posix_files(inside if inside.is_dir() else label, root)
    masks = set(posix_files(label / "masks", root))
    sources = read_sources(label)
    folder = (label / "masks").relative_to(root).as_posix()
    return [
        {
            "image": image,
            "label": label.name,
            "source": sources.get(key(PurePosixPath(image).stem), ""),
            "mask": mask if (mask := f"{folder}/{PurePosixPath(image).name}") in masks else "",
        }
        for image in images
    ]


def read_sources(label: Path) -> dict[str, str]:
    """The source of each image of a class, by `key` of its name; empty without metadata.

    Raises:
        UserError: if the file is not an Excel workbook or lacks a column.
    """
    wanted = f"{key(label.name)}.metadata.xlsx"
    found = [path for path in visible(label.parent, Path.is_file) if key(path.name) == wanted]
    if not found:
        return {}
    try:
        sheet = pd.read_excel(found[0], dtype=str, keep_default_na=False)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{found[0]} is not a valid Excel workbook ({error}).") from error
    sheet = sheet.rename(columns=lambda name: str(name).strip().upper())
    if missing := [name for name in ("FILE NAME", "URL") if name not in sheet]:
        raise UserError(f"{found[0]} has no column {', '.join(missing)}: is it the published file?")
    return dict(zip(sheet["FILE NAME"].map(key), sheet["URL"].str.strip(), strict=True))


def key(name: str) -> str:
    """A name without case, spaces and _, in which metadata and folders differ."""
    return name.lower().replace(" ", "").replace("_", "")
