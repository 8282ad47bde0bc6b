"""Archives unpacked with suspicion: what is odd is refused, with the member named.

Only plain files are ever written, and only below the target. Nothing that an archive says of
itself is relied on: sizes are counted while they are written.
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
from stages.download.fetch.member_names import Names, Refused, safe
from stages.download.fetch.members import Member, is_tar, members
from stages.download.listing import visible

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
# Below so many bytes no ratio is suspicious: text packs well.
HARMLESS = 10**6
MOST_MEMBERS = 10**6
CHUNK = 2**20

DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    # zipfile: a method of compression that Python does not know; a strange password flag
    NotImplementedError,
    RuntimeError,
    # both: nonsense in headers
    ValueError,
    OverflowError,
)


class Damaged(UserError):
    """An archive is not as it was made: getting it again may help."""


@dataclass
class Budget:
    """How much may be unpacked, in all and from one archive.

    Attributes:
        most: bytes in all, nested archives included.
        ratio: bytes unpacked for each byte of an archive.
    """

    most: float
    ratio: float
    spent: int = field(default=0, init=False)
    here: int = field(default=0, init=False)
    packed: int = field(default=0, init=False)

    def begin(self, archive: Path) -> None:
        """Count the ratio from here on for this archive."""
        self.here, self.packed = 0, archive.stat().st_size

    def spend(self, count: int) -> None:
        """Count bytes before they are written.

        Raises:
            Refused: if they are too many.
        """
        self.check(count)
        self.spent += count
        self.here += count

    def check(self, count: int) -> None:
        """Raise `Refused` if so many bytes more are too many."""
        if self.spent + count > self.most:
            raise Refused(
                f"goes beyond {self.most / 1e9:g} GB when unpacked "
                "(download.max_unpacked_gigabytes)"
            )
        if self.here + count > max(HARMLESS, self.ratio * self.packed):
            raise Refused(
                f"makes it unpack to over {self.ratio:g} times its size "
                "(download.max_compression_ratio)"
            )


# May lie beside an archive in the inbox.
DOCUMENTS = (".dvc", ".md", ".pdf", ".rst", ".txt")


def is_archive(path: Path) -> bool:
    """Whether a file is an archive, by its content."""
    return zipfile.is_zipfile(path) or is_tar(path)


@contextmanager
def as_folder(material: Path, near: Path, budget: Budget) -> Iterator[Path]:
    """Give the material as a folder.

    An archive, or all files of a folder that holds nothing but archives, are unpacked in the
    folder `near` for the time being.

    Raises:
        UserError: if an archive is damaged, or holds what is refused.
    """
    archives = [material] if material.is_file() else only_archives(material)
    if not archives:
        yield material
        return
    unpacked = near / ".unpacked"
    remove(unpacked)
    try:
        for archive in archives:
            unpack(archive, unpacked / stem(archive) if len(archives) > 1 else unpacked, budget)
        yield unpacked
    finally:
        remove(unpacked)


def only_archives(folder: Path) -> list[Path]:
    """The archives in a folder that holds nothing else but documents, such as a README.

    Raises:
        UserError: if a table such as index.csv lies beside them: it would not fit what they hold.
    """
    entries = [
        path
        for path in visible(folder, Path.exists)
        if path.is_dir() or path.suffix.lower() not in DOCUMENTS
    ]
    archives = [path for path in entries if is_named_archive(path)]
    others = [path for path in entries if path not in archives]
    if archives and others and all(path.suffix.lower() == ".csv" for path in others):
        raise UserError(
            f"{others[0]}: lies beside {archives[0].name}, which is not unpacked then: unpack it "
            "here yourself, or put the table into it."
        )
    return [] if others else archives


def is_named_archive(path: Path) -> bool:
    """Whether a file has the name of an archive."""
    return path.is_file() and path.name.lower().endswith(SUFFIXES)


def stem(archive: Path) -> str:
    """An archive's name without its suffix."""
    name = archive.name
    suffixes = [suffix for suffix in SUFFIXES if name.lower().endswith(suffix)]
    return name[: -max(map(len, suffixes), default=0) or None]


def unpack(archive: Path, target: Path, budget: Budget, nested: bool = False) -> None:
    """Unpack an archive, and the archives in it, each into a folder of its name.

    Raises:
        UserError: for the first member that is refused.
        Damaged: where the archive is.
    """
    shown, names, last = archive.name, Names(), "its beginning"
    budget.begin(archive)
    target.mkdir(parents=True, exist_ok=True)
    try:
        for count, member in enumerate(
            tqdm(members(archive), desc=shown, unit=" files", disable=None), 1
        ):
            last = repr(member.name)
            if count > MOST_MEMBERS:
                raise Refused(f"is member {count}: nothing here needs more than {MOST_MEMBERS}")
            write(member, target, names, budget)
        last = "its end"
    except (Refused, *DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        kind = UserError if isinstance(error, Refused) else Damaged
        raise kind(explain(archive, last, error)) from error
    for inner in sorted(path for path in target.rglob("*") if is_named_archive(path)):
        if nested:
            name = inner.relative_to(target).as_posix()
            raise UserError(
                explain(archive, repr(name), Refused("is an archive in an archive in an archive"))
            )
        place = inner.with_name(stem(inner))
        if place.exists():
            raise UserError(explain(archive, repr(inner.name), Refused("is there unpacked too")))
        unpack(inner, place, budget, nested=True)
        inner.unlink()


def write(member: Member, target: Path, names: Names, budget: Budget) -> None:
    """Write a file of an archive; folders follow from their files, clutter is left out.

    Raises:
        Refused: if its name, its kind or its size is no good.
    """
    path = safe(member.name)
    if member.open is None or any(is_clutter(part) for part in path.parts):
        return
    if not path.parts:
        raise Refused("has no name")
    names.add(path)
    budget.check(member.size)
    with member.open() as content:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        with (target / path).open("xb") as file:
            copy(content, file, budget)


def copy(content: IO[bytes], file: IO[bytes], budget: Budget) -> None:
    """Copy a file, counting."""
    while chunk := content.read(CHUNK):
        budget.spend(len(chunk))
        file.write(chunk)


def explain(archive: Path, last: str, error: Exception) -> str:
    """One line on what is wrong with an archive, and what to do."""
    if isinstance(error, Refused):
        what = f"{last} {error}"
    else:
        text = " ".join(str(error).split()) or type(error).__name__
        what = f"damaged at {last}: {text}"
    return (
        f"{archive}: {what}. Get it again, or unpack it yourself and put the folder in its place."
    )
