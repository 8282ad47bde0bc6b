"""Data sets fetched from where they were published, each by its own client.

gdown also fetches plain https: of the well-kept libraries it is the one that resumes (checking
the range that a server sends), retries and notices a body that ends early; pooch starts anew.
"""

import os
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

from cxr.pipeline.files import remove
from cxr.pipeline.params import Download
from stages.download.fetch.errors import check_content, explained

TIMEOUT = 30  # seconds without a byte
RETRIES = 5
DRIVE = ("drive.google.com", "docs.google.com")
KAGGLE = "kaggle:"


def fetch(dataset: str, url: str, page: str, settings: Download, downloads: Path) -> Path:
    """Fetch a data set into `downloads`/<dataset>.

    What arrived of a download that was interrupted stays there, under a temporary name, and the
    next call goes on from it.

    Args:
        url: kaggle:owner/name, a link to Google Drive, or the address of an archive; used where
            the settings name no mirror and no other place.
        page: where a person can get the data set.

    Returns:
        an archive or a folder.

    Raises:
        UserError: if it can't be had: with what the user has to do.
    """
    if dataset in settings.urls:
        url = settings.urls[dataset]
    elif settings.mirror:
        url = f"{settings.mirror.rstrip('/')}/{dataset}.zip"
    folder = downloads / dataset
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{dataset}: fetching {url}", file=sys.stderr, flush=True)
    with explained(dataset, url, page):
        if url.startswith(KAGGLE):
            return from_kaggle(url.removeprefix(KAGGLE), folder)
        if urlsplit(url).hostname in DRIVE and "/folders/" in url:
            return from_drive_folder(url, folder / "drive")
        archive = folder / "archive"
        from_address(url, archive)
        check_content(archive, settings.sha256.get(dataset))
        return archive


def from_address(url: str, archive: Path) -> None:
    """Fetch one file from a web server or from Google Drive."""
    from gdown.exceptions import DownloadError

    try:
        get(url, archive)
    except DownloadError as error:
        if "byte range" not in str(error):
            raise
        # The server can't go on where the last run stopped.
        for part in archive.parent.glob(f"{archive.name}*.part"):
            remove(part)
        get(url, archive)


def get(url: str, archive: Path) -> None:
    """Fetch one file, or the rest of it."""
    import gdown

    with tqdm(unit="B", unit_scale=True, desc="fetch", disable=None) as bar:

        def show(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        gdown.download(
            url,
            str(archive),
            quiet=True,
            use_cookies=False,
            resume=True,
            progress=show,
            timeout=TIMEOUT,
            retries=RETRIES,
        )


def from_drive_folder(url: str, folder: Path) -> Path:
    """Fetch all files of a Google Drive folder."""
    import gdown

    gdown.download_folder(
        url, output=str(folder), use_cookies=False, resume=True, timeout=TIMEOUT, retries=RETRIES
    )
    return folder


def from_kaggle(name: str, folder: Path) -> Path:
    """Fetch a Kaggle data set, given as owner/name; its client checks Kaggle's checksum."""
    import requests

    with variable("KAGGLEHUB_CACHE", str(folder.resolve())):
        import kagglehub

        for left in reversed(range(RETRIES)):
            try:
                return Path(kagglehub.dataset_download(name))
            # As requests calls a body that ends early, or a silent server.
            except (requests.exceptions.ChunkedEncodingError, requests.ConnectionError):
                if not left:
                    raise
            # It unpacks what it fetched, and would try the same again.
            except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, ValueError):
                remove(folder)
                raise
    raise AssertionError("unreachable")


@contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for the time being."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before
