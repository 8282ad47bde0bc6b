"""Every client against hosts on loopback that behave as the real ones do."""

import base64
import errno
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxr.pipeline.errors import UserError
from cxr.pipeline.params import Download
from stages.download.datasets import DATASETS
from stages.download.fetch import urls as module
from stages.download.fetch.urls import fetch
from tests.helpers.archives import GOOD, zipped
from tests.helpers.hosts import Answer, Hosts, Request, loopback

SETTINGS = Download(
    mirror="", urls={}, sha256={}, max_unpacked_gigabytes=1, max_compression_ratio=100
)
MIRROR = SETTINGS.model_copy(update={"mirror": "https://mirror.example/sets/"})
AT_MIRROR = "https://mirror.example/sets/covid19_image.zip"
ARCHIVE = zipped({**GOOD, "C/3.png": bytes(range(256)) * 8000}, method=0)
CUT = 2**20
PAGE = b"<!DOCTYPE html><html><title>Log in</title></html>"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hosts, dict[str, str]]]:
    with loopback(tmp_path_factory.mktemp("hosts")) as served:
        yield served


@pytest.fixture
def hosts(served: tuple[Hosts, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Hosts:
    hosts, environment = served
    for name in ("NO_PROXY", "no_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(module, "RETRIES", 2)
    hosts.answers.clear()
    hosts.requests.clear()
    return hosts


def get(downloads: Path, dataset: str = "covid19_image", settings: Download = MIRROR) -> Path:
    known = DATASETS[dataset]
    return fetch(dataset, known.url, known.page, settings, downloads)


def left(downloads: Path) -> list[str]:
    return sorted(path.name for path in downloads.rglob("*") if path.is_file())


def test_a_mirror_has_every_data_set_by_its_name(hosts: Hosts, tmp_path: Path) -> None:
    hosts.answers[AT_MIRROR] = Answer(ARCHIVE)
    assert get(tmp_path).read_bytes() == ARCHIVE
    assert left(tmp_path) == ["archive"]


def test_what_is_there_already_is_not_fetched_again(hosts: Hosts, tmp_path: Path) -> None:
    hosts.answers[AT_MIRROR] = Answer(ARCHIVE)
    get(tmp_path)
    hosts.answers[AT_MIRROR] = Answer(zipped(GOOD))
    assert get(tmp_path).read_bytes() == ARCHIVE


def test_dropbox_redirects_to_the_file(hosts: Hosts, tmp_path: Path) -> None:
    there = "https://uc1.dl.dropboxusercontent.com/cd/0/get/file"
    hosts.answers[DATASETS["covid_xray_5k"].url.split("?")[0]] = Answer(
        status=302, headers={"Location": there}
    )
    hosts.answers[there] = Answer(ARCHIVE)
    assert get(tmp_path, "covid_xray_5k", SETTINGS).read_bytes() == ARCHIVE
    assert "dl=1" in hosts.requests[0].url


def test_a_connection_cut_half_way_goes_on_by_itself(hosts: Hosts, tmp_path: Path) -> None:
    answers = iter([Answer(ARCHIVE, cut=CUT)])
    hosts.answers[AT_MIRROR] = lambda request: next(answers, Answer(ARCHIVE))
    assert get(tmp_path).read_bytes() == ARCHIVE
    assert hosts.requests[-1].range == f"bytes={CUT}-"


def test_the_next_run_goes_on_where_the_last_stopped(hosts: Hosts, tmp_path: Path) -> None:
    hosts.answers[AT_MIRROR] = lambda request: Answer(ARCHIVE, cut=0 if request.range else CUT)
    with pytest.raises(UserError, match="Run this again to resume the download"):
        get(tmp_path)
    (part,) = left(tmp_path)
    assert part.endswith(".part")
    hosts.requests.clear()
    hosts.answers[AT_MIRROR] = Answer(ARCHIVE)
    assert get(tmp_path).read_bytes() == ARCHIVE
    assert f"bytes={CUT}-" in [request.range for request in hosts.requests]
    assert left(tmp_path) == ["archive"]


def test_a_server_without_ranges_starts_anew(hosts: Hosts, tmp_path: Path) -> None:
    hosts.answers[AT_MIRROR] = lambda request: Answer(ARCHIVE, cut=0 if request.range else CUT)
    with pytest.raises(UserError):
        get(tmp_path)
    hosts.answers[AT_MIRROR] = Answer(ARCHIVE, ranges=False)
    assert get(tmp_path).read_bytes() == ARCHIVE
    assert left(tmp_path) == ["archive"]


def test_a_checksum_is_checked(hosts: Hosts, tmp_path: Path) -> None:
    hosts.answers[AT_MIRROR] = Answer(ARCHIVE)
    right = {"covid19_image": hashlib.sha256(ARCHIVE).hexdigest()}
    get(tmp_path / "right", settings=MIRROR.model_copy(update={"sha256": right}))
    wrong = {"covid19_image": "0" * 64}
    with pytest.raises(UserError, match=f"{right['covid19_image']}, expected 0000"):
        get(tmp_path / "wrong", settings=MIRROR.model_copy(update={"sha256": wrong}))
    assert left(tmp_path / "wrong") == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(PAGE), "a web page instead of an archive: it may ask for a login"),
        (Answer(b"sorry"), "the file is not a zip or tar archive"),
        (Answer(PAGE, 403), r"the server refuses \(403\): log in at"),
        (Answer(PAGE, 404), r"no longer there \(404\): set another address in download.urls"),
        (Answer(PAGE, 503), r"can't answer now \(503\): try again later"),
    ],
    ids=["page", "text", "403", "404", "503"],
)
def test_what_is_no_archive_is_one_line_and_leaves_nothing(
    hosts: Hosts, tmp_path: Path, answer: Answer, words: str
) -> None:
    hosts.answers[AT_MIRROR] = answer
    with pytest.raises(UserError, match=words) as caught:
        get(tmp_path)
    assert "https://www.kaggle.com/datasets/pranavraikokte" in str(caught.value)
    assert "put the file into the inbox as covid19_image.zip" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert left(tmp_path) == []


def test_no_network_is_one_line(
    hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for settings in (MIRROR, SETTINGS):
        with pytest.raises(UserError, match="the connection failed") as caught:
            get(tmp_path, settings=settings)
        assert "\n" not in str(caught.value)
    assert left(tmp_path) == []


def test_a_full_disk_keeps_what_arrived(
    hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        """What `open` gives on a disk that takes a million bytes."""

        def __init__(self, file: object) -> None:
            self.file = file

        @classmethod
        def open(cls, path: str, mode: str) -> "Full":
            return cls(Path(path).open(mode))

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

        def write(self, content: bytes) -> int:
            if self.file.tell() >= CUT:  # type: ignore[attr-defined]
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(content)  # type: ignore[attr-defined,no-any-return]

    import gdown

    hosts.answers[AT_MIRROR] = Answer(ARCHIVE)
    with monkeypatch.context() as patch:
        client = sys.modules[gdown.download.__module__]
        patch.setattr(client, "open", Full.open, raising=False)
        with pytest.raises(OSError, match="No space left"):
            get(tmp_path)
    (part,) = left(tmp_path)
    assert part.endswith(".part")
    hosts.requests.clear()
    assert get(tmp_path).read_bytes() == ARCHIVE
    assert f"bytes={CUT}-" in [request.range for request in hosts.requests]


# Google Drive

FILE = "1AbCdEfGhIjKlMnOpQrStUvWxYz012345"
DRIVE_FILE = f"https://drive.google.com/file/d/{FILE}/view?usp=sharing"
ATTACHED = {"Content-Disposition": 'attachment; filename="set.zip"'}
WARNING = f"""<html><form id="download-form" method="get" \
action="https://drive.usercontent.google.com/download">\
<input type="hidden" name="id" value="{FILE}"><input type="hidden" name="confirm" value="t">\
</form></html>""".encode()


def drive(url: str) -> Download:
    return SETTINGS.model_copy(update={"urls": {"radiography": url}})


def test_google_drive_asks_to_confirm_large_files(hosts: Hosts, tmp_path: Path) -> None:
    hosts.answers["https://drive.google.com/uc"] = Answer(WARNING)
    hosts.answers["https://drive.usercontent.google.com/download"] = Answer(
        ARCHIVE, headers=ATTACHED
    )
    assert get(tmp_path, "radiography", drive(DRIVE_FILE)).read_bytes() == ARCHIVE
    assert "confirm=t" in hosts.requests[-1].url


def test_google_drive_goes_on_after_a_cut(hosts: Hosts, tmp_path: Path) -> None:
    answers = iter([Answer(ARCHIVE, headers=ATTACHED, cut=CUT)])
    hosts.answers["https://drive.google.com/uc"] = lambda request: next(
        answers, Answer(ARCHIVE, headers=ATTACHED)
    )
    assert get(tmp_path, "radiography", drive(DRIVE_FILE)).read_bytes() == ARCHIVE
    assert hosts.requests[-1].range == f"bytes={CUT}-"


def test_google_drive_out_of_quota_is_one_line(hosts: Hosts, tmp_path: Path) -> None:
    quota = b'<p class="uc-error-subcaption">Too many users have viewed this file recently.</p>'
    hosts.answers["https://drive.google.com/uc"] = Answer(quota)
    with pytest.raises(UserError, match="Too many users have viewed") as caught:
        get(tmp_path, "radiography", drive(DRIVE_FILE))
    assert "\n" not in str(caught.value)
    assert "radiography.zip" in str(caught.value)


def test_a_google_drive_folder_is_fetched_file_by_file(hosts: Hosts, tmp_path: Path) -> None:
    listing = f"""<html><title>Radiography</title><body>
    <a href="https://drive.google.com/file/d/{FILE}/view">set.zip</a></body></html>"""
    hosts.answers["https://drive.google.com/embeddedfolderview"] = Answer(listing.encode())
    hosts.answers["https://drive.google.com/uc"] = Answer(ARCHIVE, headers=ATTACHED)
    folder = get(
        tmp_path, "radiography", drive("https://drive.google.com/drive/folders/" + "F" * 33)
    )
    assert (folder / "set.zip").read_bytes() == ARCHIVE


# Kaggle

SERVICE = "https://api.kaggle.com/v1/datasets.DatasetApiService"
BUNDLE = "https://storage.googleapis.com/kaggle-data-sets/archive.zip"
MD5 = base64.b64encode(hashlib.md5(ARCHIVE).digest()).decode()


def kaggle(hosts: Hosts, bundle: Answer) -> None:
    description = json.dumps({"currentVersionNumber": 3}).encode()
    as_json = {"Content-Type": "application/json"}
    hosts.answers[f"{SERVICE}/GetDataset"] = Answer(description, headers=as_json)
    hosts.answers[f"{SERVICE}/DownloadDataset"] = Answer(
        status=302, headers={"Location": BUNDLE, "Content-Type": "text/html"}
    )
    hosts.answers[BUNDLE] = bundle


def test_kaggle_gives_the_unpacked_data_set(hosts: Hosts, tmp_path: Path) -> None:
    kaggle(hosts, Answer(ARCHIVE, headers={"x-goog-hash": f"md5={MD5}"}))
    folder = get(tmp_path, settings=SETTINGS)
    assert folder.is_relative_to(tmp_path)
    assert (folder / "A/1.png").read_bytes() == b"one"
    assert b"pranavraikokte" in hosts.requests[0].body


def test_kaggle_goes_on_after_a_cut(hosts: Hosts, tmp_path: Path) -> None:
    def bundle(request: Request) -> Answer:
        return Answer(ARCHIVE, cut=None if request.range else CUT)

    kaggle(hosts, Answer())
    hosts.answers[BUNDLE] = bundle
    assert (get(tmp_path, settings=SETTINGS) / "B/2.png").read_bytes() == b"two"
    assert f"bytes={CUT}-" in [request.range for request in hosts.asked(BUNDLE)]


@pytest.mark.parametrize("status", [401, 403])
def test_kaggle_tells_which_page_to_accept_and_which_token_to_set(
    hosts: Hosts, tmp_path: Path, status: int
) -> None:
    kaggle(hosts, Answer())
    hosts.answers[f"{SERVICE}/DownloadDataset"] = Answer(b"consent needed", status)
    with pytest.raises(UserError, match="KAGGLE_API_TOKEN") as caught:
        get(tmp_path, settings=SETTINGS)
    assert "log in at https://www.kaggle.com/datasets/pranavraikokte/" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_kaggle_with_a_wrong_checksum_is_one_line(hosts: Hosts, tmp_path: Path) -> None:
    kaggle(hosts, Answer(ARCHIVE[:-1] + b"x", headers={"x-goog-hash": f"md5={MD5}"}))
    with pytest.raises(UserError, match="the file is damaged"):
        get(tmp_path, settings=SETTINGS)
    assert left(tmp_path) == []


def test_kaggle_with_a_page_in_place_of_the_archive_is_one_line(
    hosts: Hosts, tmp_path: Path
) -> None:
    kaggle(hosts, Answer(PAGE))
    with pytest.raises(UserError, match="not a valid archive"):
        get(tmp_path, settings=SETTINGS)
    assert left(tmp_path) == []
