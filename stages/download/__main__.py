"""Copy or download the data set into data/raw and list its images in data/index.csv."""

from cxr.pipeline.environment import configure

configure()

import argparse
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from cxr.datasets.labels import classes
from cxr.datasets.names import needs_inbox, parts
from cxr.pipeline import cli, tables
from cxr.pipeline.errors import UserError
from cxr.pipeline.experiment import check_path_in_experiment
from cxr.pipeline.files import atomic_write, remove
from cxr.pipeline.flow import NO_FILE, print_flow
from cxr.pipeline.params import Params, load
from stages.download.datasets import DATASETS
from stages.download.fetch import inbox
from stages.download.fetch.archives import Budget, DamagedArchive, as_folder
from stages.download.fetch.urls import fetch
from stages.download.phantom.images import draw
from stages.download.sources.layouts import as_index
from stages.download.sources.union import join


def main() -> None:
    files = cli.paths(__doc__, "params", "downloads", "raw", "index")
    params = load(files.params)
    names = parts(params)
    check_path_in_experiment("inbox", params.inbox, used=needs_inbox(names))

    with report_full_disk(files.raw), atomic_write(files.raw) as raw:
        raw.mkdir()
        if params.dataset == "union":
            index = join({name: obtain(name, params, files, raw / name) for name in names})
        else:
            index = obtain(params.dataset, params, files, raw)
        # Report unmapped labels now, before `prepare` decodes the images, which can take long.
        classes(index, params)
        tables.write(files.index, index, tables.Index)
    for name in names:
        remove(files.downloads / name)

    labelled = index[index["label"] != ""]
    print(f"{params.dataset}: {len(labelled)} of {len(index)} images are labelled:")
    print(labelled.groupby(["dataset", "label"]).size().to_string())
    exists = index["image"].map(lambda image: (files.raw / image).is_file())
    print_flow(index["image"], exists.map({True: "", False: NO_FILE}))


def obtain(name: str, params: Params, files: argparse.Namespace, raw: Path) -> pd.DataFrame:
    """Copy, unpack or download one data set into the folder `raw`.

    Returns:
        its rows of the table `Index`.
    """
    raw.mkdir(exist_ok=True)
    if name == "phantom":
        return draw(params.phantom, raw)
    dataset, limits = DATASETS[name], params.download
    source = inbox.find(Path(params.inbox), name, params.dataset == "union")
    if source is None:
        source = fetch(name, dataset.url, dataset.page, limits, files.downloads)
    budget = Budget(limits.max_unpacked_gigabytes * 1e9, limits.max_compression_ratio)
    try:
        with as_folder(source, raw.parent, budget) as folder:
            index = as_index(dataset.layout(folder), name)
            inbox.transfer_files(index, folder, raw, keep=folder == source)
    except DamagedArchive:
        # So that the next run downloads it again. Files in the inbox are never removed.
        remove(files.downloads / name)
        raise
    return index


@contextmanager
def report_full_disk(path: Path) -> Iterator[None]:
    """Turn the error of a full disk into a UserError."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f"{error.filename or path}: the disk is full. Free some space and run this again: "
            "files downloaded so far are kept."
        ) from error


if __name__ == "__main__":
    cli.run(main)
