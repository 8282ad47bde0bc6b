"""Download data sets: from Kaggle and Google Drive by their own clients, and over https.

gdown is used for plain https too. Of the maintained libraries, only gdown resumes (and checks the
range that the server sends), retries, and notices if a response ends early; pooch starts over.
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
from stages.download.fetch.errors import check_content, explain_errors

TIMEOUT = 30  # seconds without data
RETRIES = 5
DRIVE = ("drive.google.com", "docs.google.com")
KAGGLE = "kaggle:"


def fetch(dataset: str, url: str, page: str, settings: Download, downloads: Path) -> Path:
    """Download a data set into `downloads`/<dataset>.

    If the download is interrupted, the part that arrived stays there under a temporary name, and
    the next call resumes from it.

    Args:
        url: kaggle:owner/name, a link to Google Drive, or the address of an archive; used if the
            settings give no mirror and no other address.
        page: the web page where a person can download the data set.

    Returns:
        an archive or a folder.

    Raises:
        UserError: if the download fails; it says what the user has to do.
    """
    if dataset in settings.urls:
        url = settings.urls[dataset]
    elif settings.mirror:
        url = f"{settings.mirror.rstrip('/')}/{dataset}.zip"
    folder = downloads / dataset
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{dataset}: downloading {url}", file=sys.stderr, flush=True)
    with explain_errors(dataset, url, page):
        if url.startswith(KAGGLE):
            return from_kaggle(url.removeprefix(KAGGLE), folder)
        if urlsplit(url).hostname in DRIVE and "/folders/" in url:
            return from_drive_folder(url, folder / "drive")
        archive = folder / "archive"
        download_file(url, archive)
        check_content(archive, settings.sha256.get(dataset))
        return archive


def download_file(url: str, archive: Path) -> None:
    """Download one file from a web server or from Google Drive."""
    from gdown.exceptions import DownloadError

    try:
        get(url, archive)
    except DownloadError as error:
        if "byte range" not in str(error):
            raise
        # The server can't resume a download: start over.
        for part in archive.parent.glob(f"{archive.name}*.part"):
            remove(part)
        get(url, archive)


def get(url: str, archive: Path) -> None:
    """Download one file, or the missing part of it."""
    import gdown

    with tqdm(unit="B", unit_scale=True, desc="download", disable=None) as bar:

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
    """Download all files of a Google Drive folder."""
    import gdown

    gdown.download_folder(
        url, output=str(folder), use_cookies=False, resume=True, timeout=TIMEOUT, retries=RETRIES
    )
    return folder


def from_kaggle(name: str, folder: Path) -> Path:
    """Download a Kaggle data set, given as owner/name. Kaggle's client checks the checksum."""
    import requests

    with environment_variable("KAGGLEHUB_CACHE", str(folder.resolve())):
        import kagglehub

        for retries_left in reversed(range(RETRIES)):
            try:
                return Path(kagglehub.dataset_download(name))
            # What requests raises if a response ends early or the server does not answer.
            except (requests.exceptions.ChunkedEncodingError, requests.ConnectionError):
                if not retries_left:
                    raise
            # The client would try to unpack the same damaged file again.
            except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, ValueError):
                remove(folder)
                raise
    raise AssertionError("unreachable")


@contextmanager
def environment_variable(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for the time of a `with` block."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before
