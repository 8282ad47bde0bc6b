"""Small data sets in their published layouts, taken from an inbox by the stage itself."""

import io
import zipfile
from argparse import Namespace
from pathlib import Path

import pandas as pd

from cxr.pipeline import tables
from cxr.pipeline.params import Params, load
from stages.download.__main__ import obtain
from tests.helpers.closure import ROOT

PARAMS = load(ROOT / "params.yaml")
SHARED = ROOT.parent / "shared/data"


def lay(root: Path, *names: str) -> Path:
    """Write files of one byte."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def zip_of(folder: Path, archive: Path) -> Path:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder).as_posix())
    return archive


def workbook(columns: dict[str, list[str]]) -> bytes:
    file = io.BytesIO()
    pd.DataFrame(columns).to_excel(file, index=False)
    return file.getvalue()


def obtained(inbox: Path, name: str, raw: Path, params: Params = PARAMS) -> pd.DataFrame:
    """Take a data set from an inbox; its table, checked, with the images as index."""
    raw.parent.mkdir(parents=True, exist_ok=True)
    params = params.model_copy(update={"dataset": name, "inbox": str(inbox)})
    files = Namespace(downloads=raw.parent / "downloads")
    table = obtain(name, params, files, raw)
    tables.Index.validate(table)
    return table.set_index("image")


def files_in(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
