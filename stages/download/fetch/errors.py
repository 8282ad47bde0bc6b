"""What can go wrong with a download, in one line that says what to do."""

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


class Unfit(Exception):
    """What arrived can't be used, as a sentence without its end; it was removed."""


def check_content(archive: Path, sha256: str | None) -> None:
    """Remove a file that is no archive, or not the one that was expected.

    Raises:
        Unfit: if it was removed.
    """
    with archive.open("rb") as file:
        start = file.read(1000).lstrip().lower()
    if sha256 is not None and (found := checksum(archive)) != sha256:
        remove(archive)
        raise Unfit(f"what arrived has the SHA-256 checksum {found}, wanted is {sha256}")
    if not is_archive(archive):
        remove(archive)
        if start.startswith((b"<!doctype html", b"<html")):
            raise Unfit("a web page arrived, not an archive: it may ask for a login or a consent")
        raise Unfit("what arrived is no zip or tar archive")


@contextmanager
def explained(dataset: str, url: str, page: str) -> Iterator[None]:
    """Turn what the clients raise into one line.

    Raises:
        UserError: for anything that a server or a connection can do wrong.
    """
    import requests
    from gdown.exceptions import DownloadError, FileURLRetrievalError
    from kagglehub.exceptions import DataCorruptionError

    hand = (
        f"Or get it in a browser from {page or url} and put the file into the inbox as "
        f"{dataset}.zip."
    )
    try:
        yield
    except requests.HTTPError as error:
        status = 0 if error.response is None else error.response.status_code
        raise UserError(f"{url}: {refusal(status, url, page)}. {hand}") from error
    except FileURLRetrievalError as error:
        raise UserError(f"{url}: Google Drive refuses: {one_line(error)}. {hand}") from error
    except (requests.RequestException, DownloadError) as error:
        raise UserError(
            f"{url}: no connection, or it broke ({one_line(error)}). Run it again to go on where "
            f"it stopped. {hand}"
        ) from error
    except DataCorruptionError as error:
        raise UserError(f"{url}: what arrived is damaged. Run it again. {hand}") from error
    except Unfit as error:
        raise UserError(f"{url}: {error}. {hand}") from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise UserError(f"{url}: what arrived is no sound archive ({error}). {hand}") from error


def refusal(status: int, url: str, page: str) -> str:
    """What a server's status means for the user."""
    if status in (401, 403) and url.startswith("kaggle:"):
        return f"Kaggle refuses ({status}): log in at {page}, accept what it asks for, and {TOKEN}"
    if status in (401, 403):
        return f"the server refuses ({status}): log in at {page or url} and accept what it asks for"
    if status in (404, 410):
        return f"it is no longer there ({status}): name another place in download.urls"
    return f"the server can't answer now ({status}): try later"


def one_line(error: Exception) -> str:
    """The beginning of what a client says."""
    return " ".join(str(error).split())[:200] or type(error).__name__
