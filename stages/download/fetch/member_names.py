"""Names inside archives: which are safe to write, on any file system."""

import re
import unicodedata
from pathlib import PurePosixPath

LONGEST = 255  # bytes of one part of a path on common file systems
LONGEST_PATH = 1024


class Refused(Exception):
    """Why a member of an archive is not unpacked, as a predicate: "leads out of the archive"."""


def safe(name: str) -> PurePosixPath:
    """A member's name as a relative path; backslashes separate folders, as Windows writes them.

    Raises:
        Refused: if the path is absolute, leaves the folder, or can't be written everywhere.
    """
    text = name.replace("\\", "/")
    if text.startswith("/") or re.match(r"[A-Za-z]:", text):
        raise Refused("has an absolute path")
    path = PurePosixPath(text)
    if ".." in path.parts:
        raise Refused("leads out of the archive")
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise Refused("has a control character in its name")
    try:
        sizes = [len(part.encode()) for part in path.parts]
    except UnicodeEncodeError:
        raise Refused("has a name that is no Unicode") from None
    if sum(sizes) > LONGEST_PATH or max(sizes, default=0) > LONGEST:
        raise Refused("has too long a name")
    return path


class Names:
    """The names used so far: no two may mean one file, on any file system."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.folders: dict[str, str] = {}

    def add(self, path: PurePosixPath) -> None:
        """Use a name for a file, and the names of its folders for folders.

        Raises:
            Refused: if it is used, or differs from one that is used by case or Unicode form only.
        """
        name = str(path)
        other = self.files.get(folded(name)) or self.folders.get(folded(name))
        if other == name:
            raise Refused("is there twice")
        if other:
            raise Refused(f"differs from '{other}' in case or in Unicode form only")
        for parent in map(str, path.parents[:-1]):
            if folded(parent) in self.files:
                raise Refused(f"lies in '{parent}', which is a file")
            if (other := self.folders.setdefault(folded(parent), parent)) != parent:
                raise Refused(f"lies beside '{other}', which differs in case or Unicode form only")
        self.files[folded(name)] = name


def folded(name: str) -> str:
    """The same for all names that a file system may take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
