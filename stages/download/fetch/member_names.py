"""Names of files in archives: which are safe to write on any file system."""

import re
import unicodedata
from pathlib import PurePosixPath

MAX_NAME_BYTES = 255
"""Of one part of a path, on common file systems."""
MAX_PATH_BYTES = 1024


class MemberRefused(Exception):
    """A member of an archive is not unpacked.

    The message follows the member's name in a sentence: "leads out of the archive".
    """


def safe_path(name: str) -> PurePosixPath:
    """A member's name as a relative path; backslashes separate folders, as on Windows.

    Raises:
        MemberRefused: if the path is absolute, leaves the folder, or can't be written everywhere.
    """
    text = name.replace("\\", "/")
    if text.startswith("/") or re.match(r"[A-Za-z]:", text):
        raise MemberRefused("has an absolute path")
    path = PurePosixPath(text)
    if ".." in path.parts:
        raise MemberRefused("leads out of the archive")
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise MemberRefused("has a control character in its name")
    try:
        sizes = [len(part.encode()) for part in path.parts]
    except UnicodeEncodeError:
        raise MemberRefused("has a name that is not valid Unicode") from None
    if sum(sizes) > MAX_PATH_BYTES or max(sizes, default=0) > MAX_NAME_BYTES:
        raise MemberRefused("has too long a name")
    return path


class UsedNames:
    """The names used so far. No two may be the same file on any file system."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.folders: dict[str, str] = {}

    def add(self, path: PurePosixPath) -> None:
        """Add the name of a file, and the names of its folders.

        Raises:
            MemberRefused: if it is used already, or differs from a used one in case or Unicode form
                only.
        """
        name = str(path)
        other = self.files.get(folded(name)) or self.folders.get(folded(name))
        if other == name:
            raise MemberRefused("is there twice")
        if other:
            raise MemberRefused(f"differs from '{other}' in case or Unicode form only")
        for parent in map(str, path.parents[:-1]):
            if folded(parent) in self.files:
                raise MemberRefused(f"lies in '{parent}', which is a file")
            if (other := self.folders.setdefault(folded(parent), parent)) != parent:
                raise MemberRefused(
                    f"lies beside '{other}', which differs in case or Unicode form only"
                )
        self.files[folded(name)] = name


def folded(name: str) -> str:
    """A key that is the same for all names that a file system may treat as equal."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
