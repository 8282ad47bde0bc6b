"""The tables that stages pass on, with their columns, which are checked when written and read.

All are sorted CSV files with `\\n` line endings. In text columns, "" means unknown.
"""

from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from pandera.engines.pandas_engine import STRING
from pandera.typing import Series

from cxr.pipeline.errors import UserError
from cxr.pipeline.files import atomic_write

SPLITS = ("train", "val", "test")
IMAGE_STATUS = (
    "unusable",
    "excluded",
    "unlabelled",
    "duplicate",
    "conflict",
    "set_aside",
    "train",
    "val",
    "test",
)
"""The possible status of an image after the split."""


class Table(pa.DataFrameModel):
    """Base of all tables: exactly the given columns, sorted by the first two."""

    class Config:
        strict = True
        ordered = True


class ImageTable(Table):
    """One row for each image."""

    image: Series[str] = pa.Field(unique=True, str_length={"min_value": 1})


class Index(ImageTable):
    """Each file as published. `image`, `mask` and `lesion` are paths relative to data/raw."""

    dataset: Series[str] = pa.Field(description="the data set, such as radiography")
    label: Series[str] = pa.Field(description="as published; empty = unlabelled")
    patient: Series[str] = pa.Field(description="empty = unknown")
    source: Series[str] = pa.Field(description="the collection that the image came from")
    official_split: Series[str] = pa.Field(isin=[*SPLITS, ""])
    view: Series[str] = pa.Field(description="as published, such as PA or AP; empty = unknown")
    sex: Series[str] = pa.Field(isin=["F", "M", ""], description="empty = unknown")
    age: Series[str] = pa.Field(
        str_matches=r"^(\d+(\.\d+)?)?$", description="years; empty = unknown"
    )
    mask: Series[str] = pa.Field(description="lung mask; empty = none")
    lesion: Series[str] = pa.Field(
        description="mask of the disease, all zero in a healthy patient; empty = unknown"
    )


class Images(Index):
    """The index and the results of decoding. `row` is the row in pixels.npy; -1 = unusable."""

    row: Series[int] = pa.Field(ge=-1)
    status: Series[str] = pa.Field(isin=["ok", "unusable", "excluded"])
    reason: Series[str]
    sha256: Series[str] = pa.Field(description="of the file; empty if it is missing")
    phash: Series[str] = pa.Field(description="hexadecimal, 64 digits = 256 bits")
    width: Series[int] = pa.Field(description="pixels as stored; 0 if unusable")
    height: Series[int]
    mode: Series[str] = pa.Field(
        description="Pillow's name: L, RGB, I;16, ...; of DICOM photometric interpretation and bits"
    )
    format: Series[str] = pa.Field(description="Pillow's name: PNG, JPEG, ...; or DICOM")


class Pairs(Table):
    """Pairs of related images, found by comparing files and pixels.

    `file`: identical files. `exposure`: the same exposure, encoded again, resized or edited.
    `alike`: probably another exposure of the same patient; both are kept, in the same split.
    If several files are identical, only one of them is compared with other images.
    """

    first: Series[str]
    second: Series[str]
    kind: Series[str] = pa.Field(isin=["file", "exposure", "alike"])
    distance: Series[int] = pa.Field(
        ge=0, coerce=True, description="bits between the hashes of frames that fit"
    )
    agreement: Series[float] = pa.Field(
        ge=-1, le=1, coerce=True, description="correlation of fine detail, after registration"
    )


class Duplicates(ImageTable):
    """One row for each usable image. For a removed one, `of` is the image that is kept instead."""

    duplicate_group: Series[str] = pa.Field(description="name of the group's first image")
    keep: Series[bool]
    reason: Series[str] = pa.Field(isin=["kept", "exact", "near", "conflict"])
    of: Series[str]
    agreement: Series[float] = pa.Field(
        ge=-1, le=1, coerce=True, description="with `of`, as in `Pairs`; 0 = none"
    )


class Split(ImageTable):
    """One row for each image that is kept. All images of a `split_group` are in the same split."""

    row: Series[int] = pa.Field(ge=0)
    target: Series[str] = pa.Field(description="class of the task")
    patient: Series[str]
    split_group: Series[str] = pa.Field(description="union of patient and duplicate group")
    source: Series[str]
    split: Series[str] = pa.Field(isin=[*SPLITS, ""], description="empty = set aside")


class Predictions(ImageTable):
    """Calibrated probabilities: one column `p_<class>` for each class, summing to 1."""

    target: Series[str] = pa.Field(description="class of the task")
    split: Series[str] = pa.Field(isin=list(SPLITS))
    probabilities: Series[float] = pa.Field(alias="^p_.+$", regex=True, ge=0, le=1, coerce=True)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write the data of a plot, with six significant digits."""
    with atomic_write(path) as part:
        table.to_csv(part, index=False, lineterminator="\n", float_format="%.6g")


T = TypeVar("T", bound=type[Table])


def write(path: Path, table: pd.DataFrame, kind: T) -> None:
    """Check a table and write it, sorted.

    Raises:
        pandera.errors.SchemaError: if the table is not of this kind, which is a bug.
    """
    table = kind.validate(table.sort_values(list(table.columns[:2]), ignore_index=True))
    with atomic_write(path) as part:
        table.to_csv(part, index=False, lineterminator="\n", float_format="%.7g")


def read(path: Path, kind: T) -> pd.DataFrame:
    """Read a table and check it.

    Raises:
        UserError: if the file is not a table of this kind.
    """
    text = {
        name: str
        for name, column in kind.to_schema().columns.items()
        if isinstance(column.dtype, STRING)
    }
    try:
        table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values={})
        return kind.validate(table)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: `dvc repro` writes it.") from error
    except (pa.errors.SchemaError, pa.errors.SchemaErrors, ValueError) as error:
        reason = mistake(error)
        raise UserError(
            f"{path} is not the table {kind.__name__} that cxr/pipeline/tables.py describes: "
            f"{reason}. If it was edited by hand, remove it and run `dvc repro` again."
        ) from error


def mistake(error: Exception) -> str:
    """The first error that pandera or pandas found, in one line."""
    if isinstance(error, pa.errors.SchemaErrors):
        error = error.schema_errors[0]
    return str(error).splitlines()[0][:200]


def described(split: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table `Split`, with the additional columns of `Images`."""
    new = ["image", *(name for name in images if name not in split)]
    return split.merge(images[new], on="image", validate="one_to_one")


def class_indices(targets: pd.Series, classes: list[str]) -> NDArray[np.int64]:
    """The index in `classes` of each target, int64 (N,); -1 if it is not a class."""
    return pd.Index(classes).get_indexer(targets).astype(np.int64)
