"""Errors of downloads, each as one line that says what to do."""

import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cxr.pipeline.errors import UserError
from cxr.pipeline.files import remove
from cxr.pipeline.files import sha256 as checksum
from stages.download.fetch.archives import is_archive

TOKEN = "set KAGGLE_API_TOKEN to a token from https://www.kaggle.com/settings"


class InvalidDownload(Exception):
    """A downloaded file can't be used, and was removed. The message has no full stop."""


def check_content(archive: Path, sha256: str | None) -> None:
    """Check a downloaded file; remove it if it is not an archive or has another checksum.

    Raises:
        InvalidDownload: if it was removed.
    """
    with archive.open("rb") as file:
        start = file.read(1000).lstrip().lower()
    if sha256 is not None and (found := checksum(archive)) != sha256:
        remove(archive)
        raise InvalidDownload(f"the file's SHA-256 is {found}, expected {sha256}")
    if not is_archive(archive):
        remove(archive)
        if start.startswith((b"<!doctype html", b"<html")):
            raise InvalidDownload(
                "the server sent a web page instead of an archive: it may ask for a login or "
                "consent"
            )
        raise InvalidDownload("the file is not a zip or tar archive")


@contextmanager
def explain_errors(dataset: str, url: str, page: str) -> Iterator[None]:
    """Turn the errors of the download clients into one line.

    Raises:
        UserError: for every error of a server or a connection.
    """
    import requests
    from gdown.exceptions import DownloadError, FileURLRetrievalError
    from kagglehub.exceptions import DataCorruptionError

    by_hand = (
        f"Or download it with a browser from {page or url} and put the file into the inbox as "
        f"{dataset}.zip."
    )
    try:
        yield
    except requests.HTTPError as error:
        status = 0 if error.response is None else error.response.status_code
        raise UserError(f"{url}: {explain_status(status, url, page)}. {by_hand}") from error
    except FileURLRetrievalError as error:
        raise UserError(f"{url}: Google Drive refuses: {one_line(error)}. {by_hand}") from error
    except (requests.RequestException, DownloadError) as error:
        raise UserError(
            f"{url}: the connection failed ({one_line(error)}). Run this again to resume the "
            f"download. {by_hand}"
        ) from error
    except DataCorruptionError as error:
        raise UserError(f"{url}: the file is damaged. Run this again. {by_hand}") from error
    except InvalidDownload as error:
        raise UserError(f"{url}: {error}. {by_hand}") from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise UserError(f"{url}: the file is not a valid archive ({error}). {by_hand}") from error


def explain_status(status: int, url: str, page: str) -> str:
    """What an HTTP status means, and what the user can do."""
    if status in (401, 403) and url.startswith("kaggle:"):
        return f"Kaggle refuses ({status}): log in at {page}, accept what it asks for, and {TOKEN}"
    if status in (401, 403):
        return f"the server refuses ({status}): log in at {page or url} and accept what it asks for"
    if status in (404, 410):
        return f"it is no longer there ({status}): set another address in download.urls"
    return f"the server can't answer now ({status}): try again later"


def one_line(error: Exception) -> str:
    """The start of an error's message, in one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
