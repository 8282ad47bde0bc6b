"""Hostile and odd archives: refused with the member named, or handled; nothing is left behind."""

import gzip
import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr.pipeline.errors import UserError
from stages.download.fetch import archives
from stages.download.fetch.archives import Budget, as_folder
from tests.helpers.archives import GOOD, Files, zipped

# zipfile warns where a test wants a name twice.
pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")


def twice(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def zip_of_kind(name: str, kind: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.create_system = 3
        info.external_attr = (kind | 0o644) << 16
        archive.writestr(info, "/etc/passwd")
    return file.getvalue()


def changed(archive: bytes, old: bytes, new: bytes) -> bytes:
    assert old in archive
    assert len(old) == len(new)
    return archive.replace(old, new)


def flagged(archive: bytes, flag: int) -> bytes:
    """Set a bit in the flags of every member."""
    made = bytearray(archive)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = made.find(mark)
        while place >= 0:
            made[place + offset] |= flag
            place = made.find(mark, place + 4)
    return bytes(made)


def method(archive: bytes, number: int) -> bytes:
    """Claim another method of compression for every member."""
    made = bytearray(archive)
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        place = made.find(mark)
        while place >= 0:
            made[place + offset : place + offset + 2] = struct.pack("<H", number)
            place = made.find(mark, place + 4)
    return bytes(made)


def tarred(*members: tarfile.TarInfo | tuple[str, bytes], mode: str = "w:gz") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return file.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def plain_tar() -> bytes:
    return tarred(("A/1.png", b"one"), ("B/2.png", b"two"), mode="w")


def broken_header() -> bytes:
    made = bytearray(plain_tar())
    made[1024 + 148] ^= 1  # the checksum in the header of the second member
    return bytes(made)


BIG = bytes(2 * 10**6)
NOISE = bytes(range(256)) * 8000

REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    # names that lead elsewhere
    "zip: parent": (lambda: zipped({"../out.png": b"x"}), r"'\.\./out.png' leads out"),
    "zip: parent inside": (lambda: zipped({"A/../../out": b"x"}), "leads out of the archive"),
    "zip: absolute": (lambda: zipped({"/tmp/out.png": b"x"}), "'/tmp/out.png' has an absolute"),
    "zip: drive": (lambda: zipped({"C:\\out.png": b"x"}), "has an absolute path"),
    "zip: share": (lambda: zipped({"\\\\host\\out.png": b"x"}), "has an absolute path"),
    "zip: parent by backslash": (lambda: zipped({"A\\..\\..\\out": b"x"}), "leads out"),
    "zip: parent in clutter": (lambda: zipped({"__MACOSX/../../out": b"x"}), "leads out"),
    "zip: zero byte": (
        lambda: changed(zipped({"A/1.png?.txt": b"x"}), b"?", b"\0"),
        r"'A/1.png\\x00.txt' has a control character",
    ),
    "zip: line break": (lambda: zipped({"A/1\n2.png": b"x"}), "has a control character"),
    "zip: long name": (lambda: zipped({"A/" + "x" * 300: b"x"}), "has too long a name"),
    "zip: deep": (lambda: zipped({"a/" * 1100 + "x": b"x"}), "has too long a name"),
    "tar: parent": (lambda: tarred(("../out.png", b"x")), r"'\.\./out.png' leads out"),
    "tar: absolute": (lambda: tarred(("/tmp/out.png", b"x")), "has an absolute path"),
    "tar: no Unicode": (
        lambda: tarred(("A/\udcff.png", b"x"), mode="w"),
        "has a name that is not valid Unicode",
    ),
    # names that some file systems take for one
    "zip: case": (lambda: zipped({"A/x.png": b"1", "A/X.png": b"2"}), "'A/X.png' differs from"),
    "zip: case of a folder": (lambda: zipped({"A/1": b"1", "a/2": b"2"}), "'a/2' lies beside 'A'"),
    "zip: Unicode form": (
        lambda: zipped({"A/\u00e9.png": b"1", "A/e\u0301.png": b"2"}),
        "in case or Unicode form only",
    ),
    "tar: case": (lambda: tarred(("A/x.png", b"1"), ("A/X.png", b"2")), "differs from 'A/x.png'"),
    "zip: twice": (lambda: twice(("A/1.png", b"1"), ("A/1.png", b"2")), "'A/1.png' is there twice"),
    "tar: twice": (lambda: tarred(("A/1.png", b"1"), ("A/1.png", b"2")), "is there twice"),
    "zip: file and folder": (lambda: twice(("A", b"1"), ("A/1.png", b"2")), "which is a file"),
    "zip: folder and file": (lambda: twice(("A/1.png", b"1"), ("A", b"2")), "'A' is there twice"),
    # no plain files
    "zip: link": (lambda: zip_of_kind("A/1.png", stat.S_IFLNK), "'A/1.png' is a link or a device"),
    "zip: device": (lambda: zip_of_kind("A/1.png", stat.S_IFCHR), "is a link or a device"),
    "tar: link out": (
        lambda: tarred(special("A/1.png", tarfile.SYMTYPE, "../../../etc/passwd")),
        r"'A/1.png' is a link to '\.\./\.\./\.\./etc/passwd', which is not a file in the archive",
    ),
    "tar: absolute link": (
        lambda: tarred(special("A/1.png", tarfile.SYMTYPE, "/etc/passwd")),
        "is a link to '/etc/passwd'",
    ),
    "tar: hard link out": (
        lambda: tarred(special("A/1.png", tarfile.LNKTYPE, "/etc/passwd")),
        "is a link to '/etc/passwd'",
    ),
    "tar: through a linked folder": (
        lambda: tarred(special("A", tarfile.SYMTYPE, "/tmp"), ("A/out.png", b"x")),
        "'A' is a link to '/tmp'",
    ),
    "tar: links in a circle": (
        lambda: tarred(special("a", tarfile.SYMTYPE, "b"), special("b", tarfile.SYMTYPE, "a")),
        "'a' is a link to 'b'",
    ),
    "tar: device": (lambda: tarred(special("A/1", tarfile.CHRTYPE)), "'A/1' is a device or a pipe"),
    "tar: pipe": (lambda: tarred(special("A/1", tarfile.FIFOTYPE)), "is a device or a pipe"),
    # too much
    "zip: ratio": (
        lambda: zipped({"A/1.png": BIG}),
        "'A/1.png' makes the archive unpack to over 50 times",
    ),
    "zip: ratio over many": (
        lambda: zipped({f"A/{n}.png": bytes(10**5) for n in range(20)}),
        r"download\.max_compression_ratio",
    ),
    "zip: size that lies": (
        lambda: changed(zipped({"A/1.png": BIG}), struct.pack("<I", len(BIG)), b"\1\0\0\0"),
        "damaged at 'A/1.png'",
    ),
    "tar: ratio": (lambda: tarred(("A/1.png", BIG)), r"download\.max_compression_ratio"),
    "zip: size": (
        lambda: zipped({"A/1.png": bytes(6 * 10**6)}, zipfile.ZIP_STORED),
        r"'A/1.png' exceeds the limit of 0.005 GB of unpacked .*max_unpacked_gigabytes\)",
    ),
    "nested: size in all": (
        lambda: zipped({f"{n}.zip": zipped({"1": bytes(15 * 10**5)}, 0) for n in (1, 2)}, 0),
        r"2\.zip: '1' exceeds the limit",
    ),
    "nested: ratio": (lambda: zipped({"in.zip": zipped({"1": BIG})}), r"in\.zip: '1' makes the"),
    "nested: parent": (lambda: zipped({"in.tar": tarred(("../x", b"x"))}), r"in\.tar: '\.\./x'"),
    "nested twice": (
        lambda: zipped({"a.zip": zipped({"b.zip": zipped(GOOD)})}),
        r"'b.zip' is nested too deeply",
    ),
    # damaged or locked
    "zip: encrypted": (lambda: flagged(zipped(GOOD), 1), "'A/1.png' is encrypted"),
    "zip: checksum": (
        lambda: changed(zipped(GOOD, zipfile.ZIP_STORED), b"two", b"owt"),
        "damaged at 'B/2.png': Bad CRC-32",
    ),
    "zip: cut": (lambda: zipped(GOOD)[:-30], "damaged at its beginning: not a zip or tar archive"),
    "zip: unknown method": (lambda: method(zipped(GOOD), 99), "damaged at 'A/1.png'"),
    "zip: bad stream": (
        lambda: changed(zipped({"A/1.png": b"x" * 99}), b"A/1.png\xab", b"A/1.png\xff"),
        "damaged at 'A/1.png'",
    ),
    "tar.gz: cut": (lambda: tarred(("A/1.png", BIG[:9999]), ("B/2", b"x"))[:-20], "damaged"),
    "tar.gz: checksum": (
        lambda: (made := plain_tar()) and gzip.compress(made)[:-8] + bytes(8),
        "damaged",
    ),
    "tar: cut between members": (
        lambda: plain_tar()[:1024],
        "'A/1.png': invalid header, or truncated",
    ),
    "tar: broken header": (broken_header, "damaged at 'A/1.png': invalid header"),
    "tar: one after another": (lambda: plain_tar() + plain_tar(), "invalid header, or truncated"),
    "empty file": (lambda: b"", "at its beginning: not a zip or tar archive"),
    "text": (lambda: b"Please log in.", "not a zip or tar archive"),
}


def unpacked(archive: bytes, folder: Path) -> Files:
    """Open an archive and read what is in it."""
    path = folder / "inbox" / "set.zip"
    path.parent.mkdir()
    path.write_bytes(archive)
    budget = Budget(max_bytes=5e6, max_ratio=50)
    with as_folder(path, folder / "data", budget) as inside:
        return {
            file.relative_to(inside).as_posix(): file.read_bytes()
            for file in inside.rglob("*")
            if file.is_file()
        }


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "a/b/c/data").mkdir(parents=True)
    return tmp_path / "a/b/c"


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_odd_is_refused_with_the_member_named(
    make: Callable[[], bytes], words: str, place: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=words) as caught:
        unpacked(make(), place)
    assert "\n" not in str(caught.value)
    assert "unpack it yourself" in str(caught.value)
    left = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert left == ["set.zip"]
    assert not list((place / "data").iterdir())


HANDLED: dict[str, tuple[Callable[[], bytes], Files]] = {
    "zip": (lambda: zipped(GOOD), GOOD),
    "tar": (plain_tar, GOOD),
    "tar.gz": (lambda: tarred(*GOOD.items()), GOOD),
    "tar.bz2": (lambda: tarred(*GOOD.items(), mode="w:bz2"), GOOD),
    "tar.xz": (lambda: tarred(*GOOD.items(), mode="w:xz"), GOOD),
    "zip: folders by backslash": (
        lambda: zipped({"A\\": b"", "A\\1.png": b"1"}),
        {"A/1.png": b"1"},
    ),
    "tar: leading dot": (lambda: tarred(("./A/1.png", b"1")), {"A/1.png": b"1"}),
    "clutter": (
        lambda: zipped({**GOOD, "__MACOSX/A/._1.png": b"x", ".DS_Store": b"x", "Thumbs.db": b"x"}),
        GOOD,
    ),
    "tar: link inside": (
        lambda: tarred(
            ("A/1.png", b"1"),
            special("B/2.png", tarfile.SYMTYPE, "../A/1.png"),
            special("B/3.png", tarfile.LNKTYPE, "A/1.png"),
        ),
        {"A/1.png": b"1", "B/2.png": b"1", "B/3.png": b"1"},
    ),
    "nested": (
        lambda: zipped({"in.zip": zipped(GOOD), "x.tgz": tarred(("1", b"1")), "note": b"n"}),
        {"in/A/1.png": b"one", "in/B/2.png": b"two", "x/1": b"1", "note": b"n"},
    ),
    "tar: ends in a zip archive": (
        lambda: tarred(("A/1.png", b"1"), ("in.zip", zipped(GOOD)), mode="w"),
        {"A/1.png": b"1", "in/A/1.png": b"one", "in/B/2.png": b"two"},
    ),
    "nested: the ratio is that of each archive": (
        lambda: zipped({"1.png": NOISE, "in.zip": zipped({"2": bytes(500_000)})}, 0),
        {"1.png": NOISE, "in/2": bytes(500_000)},
    ),
    "text that packs well": (lambda: zipped({"a.csv": bytes(10**6)}), {"a.csv": bytes(10**6)}),
    "Unicode": (lambda: zipped({"Ä/é.png": b"1"}), {"Ä/é.png": b"1"}),
    "no file": (lambda: zipped({}), {}),
}


@pytest.mark.parametrize(("make", "files"), HANDLED.values(), ids=list(HANDLED))
def test_what_is_sound_is_unpacked(make: Callable[[], bytes], files: Files, place: Path) -> None:
    assert unpacked(make(), place) == files
    assert not list((place / "data").iterdir())


def test_too_many_members_are_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 1)
    with pytest.raises(UserError, match=r"'B/2\.png' is member 2"):
        unpacked(zipped(GOOD), place)


def test_a_file_that_a_browser_put_into_the_folder_is_unpacked(place: Path) -> None:
    (place / "inbox/archive").mkdir(parents=True)
    (place / "inbox/archive/download (1).zip").write_bytes(zipped(GOOD))
    with as_folder(place / "inbox/archive", place / "data", Budget(1e9, 50)) as inside:
        assert sorted(path.name for path in inside.rglob("*.png")) == ["1.png", "2.png"]
        assert (inside / "A/1.png").is_file()


def test_several_archives_in_a_folder_keep_apart(place: Path) -> None:
    (place / "inbox").mkdir()
    for name in ("train.zip", "test.tar.gz"):
        (place / "inbox" / name).write_bytes(zipped(GOOD))
    with as_folder(place / "inbox", place / "data", Budget(1e9, 50)) as inside:
        assert sorted(path.name for path in inside.iterdir()) == ["test", "train"]
