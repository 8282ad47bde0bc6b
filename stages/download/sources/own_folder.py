"""A user's own images: class folders, a table of them, or both."""

import difflib
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pandas as pd

from cxr.pipeline.errors import UserError
from cxr.pipeline.params import nearest
from stages.download.listing import descend, posix_files, subfolders, visible
from stages.download.sources.class_folders import class_folders, split_name
from stages.download.sources.records import age, sex

TABLE = "index.csv"
PATHS = ("image", "mask", "lesion")
COLUMNS = [*PATHS, "label", "patient", "source", "official_split", "view", "sex", "age"]
# How each column is read, and what it may hold. "" is what can't be read.
VALUES = {
    "official_split": (split_name, "write train, val, test or nothing"),
    "sex": (sex, "write F, M or nothing"),
    "age": (age, "write years as a number, or nothing"),
}
MAX_SHOWN = 10


def folder(root: Path) -> pd.DataFrame:
    """One folder a class with train/val/test above, or index.csv, or both.

    index.csv has the column `image` (a path relative to its own folder) and any of label, patient,
    source, official_split, view, sex, age, mask and lesion. Where it has labels, class folders are
    not needed, and images in sub-folders that it does not name are unlabelled. Where it has none,
    the folders give the labels, and it adds to them.

    Raises:
        UserError: if the layout or the table is not as described.
    """
    path = find_table(root)
    if path is None:
        return class_folders(root)
    base = path.parent
    names = posix_files(base, base)
    listed = read_table(path, names)
    if "label" in listed:
        masks = {name for column in ("mask", "lesion") for name in listed.get(column, [])}
        inside = [name for inner in subfolders(base) for name in posix_files(inner, base)]
        found = pd.DataFrame({"image": [name for name in inside if name not in masks]}, dtype=str)
    else:
        found = class_folders(base)
    table = found.set_index("image").reindex(sorted({*found["image"], *listed["image"]}))
    listed = listed.set_index("image")
    for column in listed:
        table[column] = (
            listed[column]
            .reindex(table.index)
            .combine_first(table[column] if column in table else pd.Series("", table.index))
        )
    table = table.reset_index().fillna("")
    if base != root:
        prefix = f"{base.relative_to(root).as_posix()}/"
        for column in [name for name in PATHS if name in table]:
            table[column] = table[column].where(table[column] == "", prefix + table[column])
    return table


def find_table(root: Path) -> Path | None:
    """The table, in any case, in the folder or below folders that hold nothing else; or None.

    Raises:
        UserError: if it is elsewhere, or there are several.
    """

    def tables_in(folder: Path) -> list[Path]:
        return [path for path in visible(folder, Path.is_file) if path.name.lower() == TABLE]

    tables = tables_in(descend(root, until=lambda folder: bool(tables_in(folder))))
    names = posix_files(root, root)
    everywhere = [name for name in names if PurePosixPath(name).name.lower() == TABLE]
    if len(tables) > 1 or len(everywhere) > len(tables):
        raise UserError(
            f"{root}: {', '.join(everywhere[:3])}: put one table {TABLE} into the folder that "
            "holds the class folders."
        )
    return tables[0] if tables else None


def read_table(path: Path, names: list[str]) -> pd.DataFrame:
    """Read index.csv as text, in the terms of the table `Index`.

    Columns that are not known are ignored, and so are empty rows.

    Args:
        names: of the files that are there, relative to the folder of the table.

    Raises:
        UserError: for a misspelt column, or values that can't be read, up to ten at once.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise UserError(f"{path} is no readable CSV in UTF-8 ({error}).") from error
    table.columns = table.columns.str.strip()
    table = table.map(str.strip)
    table = table[(table != "").any(axis=1)].reset_index(drop=True)
    for column in [name for name in table if name not in COLUMNS]:
        if known := nearest(str(column), COLUMNS):
            raise UserError(
                f"{path}: unknown column '{column}'{known}. "
                f"There are: {', '.join(COLUMNS)}, separated by commas."
            )
        print(f"{path}: column '{column}' is ignored.")
    if "image" not in table:
        raise UserError(f"{path} has no column image: name each image, relative to the folder.")
    table = table[[name for name in COLUMNS if name in table]]
    resolve = Resolver(names)
    for column in [name for name in PATHS if name in table]:
        table[column] = [resolve(name) if name else "" for name in table[column]]
    mistakes = list(mistakes_in(table, resolve))
    if mistakes:
        more = f"; and {len(mistakes) - MAX_SHOWN} more" if len(mistakes) > MAX_SHOWN else ""
        raise UserError(f"{path}: {'; '.join(mistakes[:MAX_SHOWN])}{more}.")
    for column in [name for name in VALUES if name in table]:
        table[column] = table[column].map(VALUES[column][0])
    return table


class Resolver:
    """Find the file that a name means: with / or \\, in any Unicode form, bare if it is unique."""

    def __init__(self, names: list[str]) -> None:
        self.files = {unicodedata.normalize("NFC", name): name for name in names}
        self.by_name: dict[str, list[str]] = {}
        self.by_stem: dict[str, list[str]] = {}
        for name in names:
            path = PurePosixPath(unicodedata.normalize("NFC", name))
            self.by_name.setdefault(path.name, []).append(name)
            self.by_stem.setdefault(path.stem.lower(), []).append(name)

    def __call__(self, name: str) -> str:
        """The path of the file, or the name with / if there is none."""
        posix = name if name in self.files else name.replace("\\", "/")
        normal = unicodedata.normalize("NFC", posix)
        alone = self.by_name.get(normal, [])
        return self.files.get(normal) or (alone[0] if len(alone) == 1 else posix)

    def similar(self, name: str) -> str:
        """The file of the same name in another folder or with another suffix; "" if none."""
        stem = PurePosixPath(unicodedata.normalize("NFC", name)).stem.lower()
        close = difflib.get_close_matches(name, self.by_stem.get(stem, []), n=1, cutoff=0)
        return close[0] if close else ""


def mistakes_in(table: pd.DataFrame, resolve: Resolver) -> Iterator[str]:
    """What is wrong with the values of the table, one phrase each."""
    for column in [name for name in PATHS if name in table]:
        for name in table[column]:
            path = PurePosixPath(name)
            if not name and column == "image":
                yield "a row has no image"
            elif name and (path.is_absolute() or ".." in path.parts or str(path) != name):
                yield f"'{name}' is no path inside the folder: write it as class/file.png"
            elif name and name not in resolve.files.values() and (other := resolve.similar(name)):
                yield f"there is no file '{name}'; do you mean '{other}'?"
    there = set(resolve.files.values())
    if len(table) and there.isdisjoint(table["image"]):
        first = table["image"].iloc[0]
        (close,) = difflib.get_close_matches(first, sorted(there), n=1, cutoff=0)
        yield f"not one of its {len(table)} images is there; nearest to '{first}' is '{close}'"
    for name in sorted(set(table["image"][table["image"].duplicated()])):
        yield f"names {name} twice: keep one of the rows"
    for column, (read, remedy) in VALUES.items():
        if column in table:
            values = table[column]
            for value in sorted(set(values[(values != "") & (values.map(read) == "")])):
                yield f"{column}: '{value}' is invalid: {remedy}"
