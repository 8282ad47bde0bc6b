"""Safe unpacking of zip and tar archives from untrusted sources.

Only regular files are written, and only below the target folder. Sizes are counted while writing,
because those in an archive's headers can be wrong. The error for an unsafe or damaged archive names
the member.
"""

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tqdm import tqdm

from cxr.pipeline.errors import UserError
from cxr.pipeline.files import is_clutter, remove
from stages.download.fetch.member_names import MemberRefused, UsedNames, safe_path
from stages.download.fetch.members import Member, is_tar, members
from stages.download.listing import visible

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MIN_SUSPICIOUS_BYTES = 10**6
"""The compression ratio of less than this is not checked: text compresses well."""
MAX_MEMBERS = 10**6
CHUNK_BYTES = 2**20
DOCUMENT_SUFFIXES = (".dvc", ".md", ".pdf", ".rst", ".txt")
"""Of files that may lie beside an archive in the inbox."""

DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    # zipfile: an unknown compression method, an invalid password flag.
    NotImplementedError,
    RuntimeError,
    # zipfile and tarfile: invalid values in headers.
    ValueError,
    OverflowError,
)
"""What the libraries raise for damaged archives."""


class DamagedArchive(UserError):
    """An archive is damaged. Downloading it again may help."""


@dataclass
class Budget:
    """How many bytes may be unpacked, in total and from one archive.

    Attributes:
        max_bytes: in total, including nested archives.
        max_ratio: unpacked bytes for each byte of an archive.
        total: bytes unpacked so far.
        unpacked: of them, those from the current archive.
        archive_size: bytes of the current archive.
    """

    max_bytes: float
    max_ratio: float
    total: int = field(default=0, init=False)
    unpacked: int = field(default=0, init=False)
    archive_size: int = field(default=0, init=False)

    def begin(self, archive: Path) -> None:
        """Start to count the ratio of another archive."""
        self.unpacked, self.archive_size = 0, archive.stat().st_size

    def spend(self, count: int) -> None:
        """Count bytes before they are written.

        Raises:
            MemberRefused: if a limit is exceeded.
        """
        self.check(count)
        self.total += count
        self.unpacked += count

    def check(self, count: int) -> None:
        """Raise `MemberRefused` if this many more bytes exceed a limit."""
        if self.total + count > self.max_bytes:
            raise MemberRefused(
                f"exceeds the limit of {self.max_bytes / 1e9:g} GB of unpacked files "
                "(download.max_unpacked_gigabytes)"
            )
        if self.unpacked + count > max(MIN_SUSPICIOUS_BYTES, self.max_ratio * self.archive_size):
            raise MemberRefused(
                f"makes the archive unpack to over {self.max_ratio:g} times its size "
                "(download.max_compression_ratio)"
            )


def is_archive(path: Path) -> bool:
    """Whether a file is an archive, by its content."""
    return zipfile.is_zipfile(path) or is_tar(path)


@contextmanager
def as_folder(source: Path, workspace: Path, budget: Budget) -> Iterator[Path]:
    """Give a data set as a folder, for the time of a `with` block.

    An archive, or a folder that holds nothing but archives, is unpacked.

    Args:
        source: an archive or a folder.
        workspace: the folder in which a temporary one is created to unpack to.

    Raises:
        UserError: if an archive is damaged or unsafe.
    """
    archives = [source] if source.is_file() else only_archives(source)
    if not archives:
        yield source
        return
    unpacked = workspace / ".unpacked"
    remove(unpacked)
    try:
        for archive in archives:
            unpack(archive, unpacked / stem(archive) if len(archives) > 1 else unpacked, budget)
        yield unpacked
    finally:
        remove(unpacked)


def only_archives(folder: Path) -> list[Path]:
    """The archives in a folder, if it holds nothing else except documents, such as a README.

    Raises:
        UserError: if a table such as index.csv lies beside them: its paths would not be those of
            the unpacked files.
    """
    entries = [
        path
        for path in visible(folder, Path.exists)
        if path.is_dir() or path.suffix.lower() not in DOCUMENT_SUFFIXES
    ]
    archives = [path for path in entries if is_named_archive(path)]
    others = [path for path in entries if path not in archives]
    if archives and others and all(path.suffix.lower() == ".csv" for path in others):
        raise UserError(
            f"{others[0]}: lies beside {archives[0].name}, which is then not unpacked: unpack it "
            "here yourself, or put the table into it."
        )
    return [] if others else archives


def is_named_archive(path: Path) -> bool:
    """Whether a path is a file with the suffix of an archive."""
    return path.is_file() and path.name.lower().endswith(SUFFIXES)


def stem(archive: Path) -> str:
    """An archive's name without its suffix."""
    name = archive.name
    suffixes = [suffix for suffix in SUFFIXES if name.lower().endswith(suffix)]
    return name[: -max(map(len, suffixes), default=0) or None]


def unpack(archive: Path, target: Path, budget: Budget, nested: bool = False) -> None:
    """Unpack an archive, and each archive in it into a folder with the archive's name.

    Raises:
        UserError: for the first unsafe member.
        DamagedArchive: if the archive is damaged.
    """
    names, last = UsedNames(), "its beginning"
    budget.begin(archive)
    target.mkdir(parents=True, exist_ok=True)
    try:
        for count, member in enumerate(
            tqdm(members(archive), desc=archive.name, unit=" files", disable=None), 1
        ):
            last = repr(member.name)
            if count > MAX_MEMBERS:
                raise MemberRefused(f"is member {count}: at most {MAX_MEMBERS} are unpacked")
            write(member, target, names, budget)
        last = "its end"
    except (MemberRefused, *DAMAGED, OSError) as error:
        # A full disk, for example. The errors of the decoders have no number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        kind = UserError if isinstance(error, MemberRefused) else DamagedArchive
        raise kind(explain(archive, last, error)) from error
    for inner in sorted(path for path in target.rglob("*") if is_named_archive(path)):
        if nested:
            name = inner.relative_to(target).as_posix()
            raise UserError(explain(archive, repr(name), MemberRefused("is nested too deeply")))
        place = inner.with_name(stem(inner))
        if place.exists():
            raise UserError(
                explain(archive, repr(inner.name), MemberRefused("is also there unpacked"))
            )
        unpack(inner, place, budget, nested=True)
        inner.unlink()


def write(member: Member, target: Path, names: UsedNames, budget: Budget) -> None:
    """Write a file of an archive, and create its folder; hidden and system files are left out.

    Raises:
        MemberRefused: if its name, its kind or its size is not accepted.
    """
    path = safe_path(member.name)
    if member.open is None or any(is_clutter(part) for part in path.parts):
        return
    if not path.parts:
        raise MemberRefused("has no name")
    names.add(path)
    budget.check(member.size)
    with member.open() as content:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        with (target / path).open("xb") as file:
            copy(content, file, budget)


def copy(content: IO[bytes], file: IO[bytes], budget: Budget) -> None:
    """Copy a file, and count its bytes."""
    while chunk := content.read(CHUNK_BYTES):
        budget.spend(len(chunk))
        file.write(chunk)


def explain(archive: Path, last: str, error: Exception) -> str:
    """The message for an archive that can't be unpacked, with what to do.

    Args:
        last: the member that was being read.
    """
    if isinstance(error, MemberRefused):
        what = f"{last} {error}"
    else:
        text = " ".join(str(error).split()) or type(error).__name__
        what = f"damaged at {last}: {text}"
    return (
        f"{archive}: {what}. Download it again, or unpack it yourself and put the folder in its "
        "place."
    )
