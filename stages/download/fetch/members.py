"""The members of an archive, one after the other, whatever its format."""

import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stages.download.fetch.member_names import MemberRefused

ENCRYPTED = 0x1  # bit of a zip member's flags
# tar fills its last record with zeros: 10 KiB, or up to 1 MiB on some tapes.
MAX_END_BYTES = 2**21


@dataclass(frozen=True)
class Member:
    """A file or a folder in an archive.

    Attributes:
        name: as in the archive.
        size: bytes when unpacked, by the archive's header; 0 if it is not given.
        open: opens the content; None for a folder. Raises `MemberRefused` if the member is not a
            regular file.
    """

    name: str
    size: int
    open: Callable[[], IO[bytes]] | None


def members(archive: Path) -> Iterator[Member]:
    """The members of a zip or tar archive (uncompressed, gz, bz2 or xz), in its order.

    Raises:
        tarfile.ReadError: if it is neither, or is truncated.
    """
    # tar first: a tar archive that ends with a zip archive is also recognized as zip.
    if is_tar(archive):
        yield from tar_members(archive)
    elif zipfile.is_zipfile(archive):
        yield from zip_members(archive)
    else:
        raise tarfile.ReadError("not a zip or tar archive")


def is_tar(path: Path) -> bool:
    """Whether a file begins like a tar archive."""
    try:
        return tarfile.is_tarfile(path)
    except EOFError:  # a compressed file that is truncated in its first block
        return False


def zip_members(archive: Path) -> Iterator[Member]:
    """The members of a zip archive."""
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():

            def content(info: zipfile.ZipInfo = info) -> IO[bytes]:
                kind = stat.S_IFMT(info.external_attr >> 16)
                if kind not in (0, stat.S_IFREG):
                    raise MemberRefused("is a link or a device")
                if info.flag_bits & ENCRYPTED:
                    raise MemberRefused("is encrypted")
                return file.open(info)

            # zipfile cuts `filename` at a zero byte.
            name = info.orig_filename
            # Archives made on Windows may end the name of a folder with a backslash.
            is_folder = info.is_dir() or name.endswith("\\")
            yield Member(name, info.file_size, None if is_folder else content)


def tar_members(archive: Path) -> Iterator[Member]:
    """The members of a tar archive. A link to a file in it is a copy of that file."""
    with tarfile.open(archive) as file:
        for info in file:

            def content(info: tarfile.TarInfo = info) -> IO[bytes]:
                return tar_content(file, info)

            yield Member(info.name, info.size, None if info.isdir() else content)
        check_end(file)


def check_end(file: tarfile.TarFile) -> None:
    """Raise a ReadError if a tar archive does not end with zeros.

    tarfile treats an invalid header as the end, and would leave out all files after it.
    """
    stream = file.fileobj
    assert stream is not None
    stream.seek(file.offset)
    end = stream.read(MAX_END_BYTES)
    if len(end) < tarfile.BLOCKSIZE or end.strip(b"\0") or stream.read(1):
        raise tarfile.ReadError("invalid header, or truncated")


def tar_content(file: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    """The content of a file, or of the file that a link points to inside the archive.

    It is read from the archive, never from the disk.
    """
    if not (info.isfile() or info.issym() or info.islnk()):
        raise MemberRefused("is a device or a pipe")
    try:
        content = file.extractfile(info)
    except (KeyError, RecursionError):
        content = None
    if content is None:
        raise MemberRefused(f"is a link to '{info.linkname}', which is not a file in the archive")
    return content
