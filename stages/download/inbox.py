"""The inbox: what the user already has, as a folder or an archive."""

import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from stages.command import UserError

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


def find(inbox: Path, dataset: str, page: str) -> Path:
    """The folder or archive of a data set; for `folder` the inbox itself.

    Raises:
        UserError: if there is none.
    """
    candidates = [inbox / dataset, *(inbox / f"{dataset}{suffix}" for suffix in ARCHIVES)]
    if dataset == "folder":
        candidates = [inbox]
    for candidate in candidates:
        if candidate.is_file() or (candidate.is_dir() and any(candidate.iterdir())):
            return candidate
    raise UserError(
        f"{inbox} has no {dataset}: get it from {page} and put it there as a folder {dataset}/ or "
        f"as {dataset}.zip (also {', '.join(ARCHIVES[1:])})."
    )


@contextmanager
def opened(material: Path, near: Path) -> Iterator[Path]:
    """Give the material as a folder; an archive is unpacked beside `near` for the time being.

    Raises:
        UserError: if the archive is damaged or would write outside its folder.
    """
    if material.is_dir():
        yield material
        return
    with TemporaryDirectory(dir=near, prefix=".unpacked-") as folder:
        try:
            if material.suffix == ".zip":
                shutil.unpack_archive(material, folder)
            else:
                # `data` refuses absolute paths and links that leave the folder.
                shutil.unpack_archive(material, folder, filter="data")
        except (shutil.ReadError, zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
            raise UserError(f"{material} can't be unpacked ({error}): get it again.") from error
        yield Path(folder)


def copy(index: pd.DataFrame, source: Path, target: Path) -> None:
    """Copy the images and masks of an index; those that are missing are left to `prepare`."""
    for name in [*index["image"], *index["mask"]]:
        if name and (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target / name)
