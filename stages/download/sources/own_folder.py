"""Read a user's own images: class folders, a table index.csv, or both."""

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
# How each column is read ("" for an invalid value), and the advice for an invalid value.
VALUES = {
    "official_split": (split_name, "write train, val, test or nothing"),
    "sex": (sex, "write F, M or nothing"),
    "age": (age, "write years as a number, or nothing"),
}
MAX_SHOWN = 10


def folder(root: Path) -> pd.DataFrame:
    """Read class folders, with train/val/test above if the split is given; or index.csv; or both.

    index.csv has the column `image` (a path relative to its own folder) and any of label, patient,
    source, official_split, view, sex, age, mask and lesion. With the column `label`, class folders
    are not needed, and images in sub-folders that it does not list are unlabelled. Without it, the
    labels come from the class folders.

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
    """Find index.csv in the folder, or below folders that hold nothing else; None if there is none.

    Raises:
        UserError: if it is in another place, or there are several.
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
    """Read index.csv as text, with values as in the table `Index`.

    Unknown columns and empty rows are ignored.

    Args:
        names: of the existing files, relative to the folder of the table.

    Raises:
        UserError: for a misspelt column or invalid values, of which it lists up to ten.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise UserError(f"{path} is not a CSV file in UTF-8 ({error}).") from error
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
        raise UserError(
            f"{path} has no column image: give each image's path, relative to the folder."
        )
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
    """Find a file by its path, with / or \\ and in any Unicode form, or by its name if unique."""

    def __init__(self, names: list[str]) -> None:
        self.files = {unicodedata.normalize("NFC", name): name for name in names}
        self.by_name: dict[str, list[str]] = {}
        self.by_stem: dict[str, list[str]] = {}
        for name in names:
            path = PurePosixPath(unicodedata.normalize("NFC", name))
            self.by_name.setdefault(path.name, []).append(name)
            self.by_stem.setdefault(path.stem.lower(), []).append(name)

    def __call__(self, name: str) -> str:
        """The path of the file; the given path with / if there is none."""
        posix = name if name in self.files else name.replace("\\", "/")
        normal = unicodedata.normalize("NFC", posix)
        same_name = self.by_name.get(normal, [])
        return self.files.get(normal) or (same_name[0] if len(same_name) == 1 else posix)

    def similar(self, name: str) -> str:
        """The file of the same name in another folder or with another suffix; "" if none."""
        stem = PurePosixPath(unicodedata.normalize("NFC", name)).stem.lower()
        close = difflib.get_close_matches(name, self.by_stem.get(stem, []), n=1, cutoff=0)
        return close[0] if close else ""


def mistakes_in(table: pd.DataFrame, resolve: Resolver) -> Iterator[str]:
    """Describe each invalid value of the table in a phrase."""
    for column in [name for name in PATHS if name in table]:
        for name in table[column]:
            path = PurePosixPath(name)
            if not name and column == "image":
                yield "a row has no image"
            elif name and (path.is_absolute() or ".." in path.parts or str(path) != name):
                yield f"'{name}' is not a path inside the folder: write it as class/file.png"
            elif name and name not in resolve.files.values() and (other := resolve.similar(name)):
                yield f"there is no file '{name}'; do you mean '{other}'?"
    existing = set(resolve.files.values())
    if len(table) and existing.isdisjoint(table["image"]):
        first = table["image"].iloc[0]
        (close,) = difflib.get_close_matches(first, sorted(existing), n=1, cutoff=0)
        yield (
            f"none of its {len(table)} images exists; the name most similar to '{first}' is "
            f"'{close}'"
        )
    for name in sorted(set(table["image"][table["image"].duplicated()])):
        yield f"lists {name} twice: keep one of the rows"
    for column, (read, remedy) in VALUES.items():
        if column in table:
            values = table[column]
            for value in sorted(set(values[(values != "") & (values.map(read) == "")])):
                yield f"{column}: '{value}' is invalid: {remedy}"
