"""The files of a revision, from git, DVC's cache or its remote."""

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pandas as pd
from dvc.exceptions import NotDvcRepoError
from dvc.repo import Repo
from dvc.scm import RevError, SCMError

from cxr.pipeline.errors import UserError

WORKSPACE = "workspace"
"""DVC's name for the current files, committed or not."""
NO_REPOSITORY = "this is not a DVC repository: run the command in the folder of the project."


@contextmanager
def open_repo() -> Iterator[Repo]:
    """The DVC repository of the working directory.

    Raises:
        UserError: if there is none.
    """
    try:
        repo = Repo()
    except (NotDvcRepoError, SCMError) as error:
        raise UserError(NO_REPOSITORY) from error
    with repo:
        yield repo


def experiment_names() -> list[str]:
    """Names of the experiments that start from the current commit, sorted."""
    with open_repo() as repo:
        return sorted(name for names in repo.experiments.ls().values() for name, _ in names)


class MissingOutput(UserError):
    """A file of a revision is neither in git nor in DVC's cache nor in a remote."""


class RevisionFiles:
    """The files of a revision, from git, DVC's cache or its remote."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.opened = ExitStack()
        # DVCFileSystem(rev=name) would not find a project in a sub-folder of a git repository.
        repo = self.opened.enter_context(open_repo())
        try:
            self.opened.enter_context(repo.switch(name))
        except RevError as error:
            raise UserError(
                f"there is no revision or experiment '{name}': see `git log` and `dvc exp show`."
            ) from error
        except NotDvcRepoError as error:
            raise UserError(f"{name}: this revision does not have the project's folder.") from error
        self.system = repo.dvcfs

    def text(self, path: str) -> str:
        """A file's content.

        Raises:
            MissingOutput: if the revision has no such file, or DVC no longer has it.
        """
        content = self.bytes(path)
        if content is None:
            checkout = "" if self.name == WORKSPACE else f"`git checkout {self.name}`, then "
            raise MissingOutput(
                f"{self.name}: {path} is neither in git nor in DVC's cache nor in a remote: "
                f"{checkout}`dvc repro` writes it (for an experiment: run it again)."
            )
        return content.decode("utf-8")

    def bytes(self, path: str) -> bytes | None:
        """A file's content; None if there is no such file, or only dvc.lock names it.

        Raises:
            MissingOutput: if only a remote may have it, and the remote can't be reached.
        """
        try:
            content: bytes = self.system.read_bytes(f"/{path}")
        except FileNotFoundError:
            return None
        # Each kind of remote raises its own exceptions.
        except Exception as error:
            # The list of the folder's files is missing in the cache.
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            reason = " ".join(str(error).split()) or type(error).__name__
            raise MissingOutput(
                f"{self.name}: {path} is not in DVC's cache, and the remote failed: {reason}"
            ) from error
        return content

    def table(self, path: str, *columns: str) -> pd.DataFrame:
        """Read columns of a table of `cxr.pipeline.tables`, and those that start with `p_`.

        Raises:
            UserError: if the table was written by an older version and lacks one of them.
        """
        table = pd.read_csv(
            io.StringIO(self.text(path)),
            usecols=lambda name: name in columns or name.startswith("p_"),
            dtype=dict.fromkeys(columns, str),
            keep_default_na=False,
            na_values={},
        )
        if missing := [name for name in columns if name not in table]:
            raise UserError(
                f"{self.name}: {path} has no column {', '.join(missing)}: it was written by an "
                "older version of the code. Run `dvc repro` with the current one to compare it."
            )
        return table
