"""What DVC holds of a revision: its predictions, its settings, and what they were made from."""

import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from dvc.api import DVCFileSystem
from dvc.exceptions import NotDvcRepoError
from dvc.repo import Repo
from dvc.scm import RevError, SCMError
from numpy.typing import NDArray
from ruamel.yaml import YAML

from stages.command import UserError
from stages.dotted import Settings, flat

WORKSPACE = "workspace"
"""DVC's name for the files as they are, committed or not."""
MADE_BY = ("download", "prepare", "dedupe", "split", "train")
"""The stages whose code can change a prediction."""
NO_REPOSITORY = "this is no DVC repository: run this in the project's folder."


@dataclass(frozen=True)
class Run:
    """One trained network's predictions.

    Attributes:
        name: the revision or experiment.
        settings: all of its params.yaml, under dotted keys.
        origin: identifies the code and the inbox that it was made from.
        test: `image`, `label`, `group` and `sha256` of each test image, sorted by image.
        probabilities: (N, classes), in the order of `test`.
    """

    name: str
    settings: Settings
    origin: str
    classes: list[str]
    test: pd.DataFrame
    probabilities: NDArray[np.float64]

    @cached_property
    def actual(self) -> NDArray[np.int64]:
        """Numbers of the test images' classes, (N,)."""
        return pd.Index(self.classes).get_indexer(self.test["label"]).astype(np.int64)

    @cached_property
    def test_set(self) -> str:
        """The same for two runs if and only if they were tested on the same images."""
        files = self.test[["image", "label", "sha256"]].to_csv(index=False)
        return hashlib.sha256(f"{self.classes}\n{files}".encode()).hexdigest()


@contextmanager
def repository() -> Iterator[Repo]:
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


def experiments() -> list[str]:
    """Names of the experiments of the current commit, sorted."""
    with repository() as repo:
        return sorted(name for found in repo.experiments.ls().values() for name, _ in found)


def read(name: str) -> Run:
    """Read a revision, an experiment or the workspace.

    Raises:
        UserError: if there is no such revision, or its predictions are nowhere to be had.
    """
    files = Files(name)
    nested, lock = (YAML(typ="safe").load(files.text(it)) for it in ("params.yaml", "dvc.lock"))
    settings = flat(nested)
    check_reproduced(name, nested, lock)
    predictions = files.table("data/predictions.csv")
    split = files.table("data/split.csv", "image", "group")
    images = files.table("data/images.csv", "image", "sha256")
    test = predictions[predictions["split"] == "test"].sort_values("image", ignore_index=True)
    for known in (split, images):
        test = test.merge(known, on="image", validate="one_to_one")
    columns = [column for column in test if column.startswith("p_")]
    return Run(
        name,
        settings,
        origin(lock, settings["model"]),
        [column.removeprefix("p_") for column in columns],
        test[["image", "label", "group", "sha256"]],
        test[columns].to_numpy(np.float64),
    )


def check_reproduced(name: str, settings: Settings, lock: dict[str, Any]) -> None:
    """Refuse a revision whose predictions were made with other settings than it has.

    Args:
        settings: nested, as in params.yaml.

    Raises:
        UserError: if params.yaml was changed after the last `dvc repro`.
    """
    for stage in stage_names(settings["model"]):
        made_with = lock["stages"].get(stage, {}).get("params", {}).get("params.yaml")
        if made_with is None or any(value != at(settings, key) for key, value in made_with.items()):
            raise UserError(
                f"{name}: params.yaml is not what its dvc.lock was made with (stage {stage}): "
                "`dvc repro` there, and commit dvc.lock."
            )


def at(settings: Any, key: str) -> Any:
    """The value at a dotted key; None if there is none."""
    for part in key.split("."):
        settings = settings.get(part) if isinstance(settings, dict) else None
    return settings


def stage_names(model: str) -> list[str]:
    """The stages whose code and settings can change a prediction."""
    return [f"train@{model}" if name == "train" else name for name in MADE_BY]


class Files:
    """The files of a revision, from git, DVC's cache or its remote."""

    def __init__(self, name: str) -> None:
        self.name = name
        try:
            self.system = DVCFileSystem(rev=None if name == WORKSPACE else name)
            # Opens it.
            _ = self.system.repo
        except RevError as error:
            raise UserError(
                f"there is no revision or experiment '{name}': `git log` and `dvc exp show` list "
                "those that are."
            ) from error
        except (NotDvcRepoError, SCMError) as error:
            raise UserError(NO_REPOSITORY) from error

    def text(self, path: str) -> str:
        """A file's content.

        Raises:
            UserError: if the revision has no such file, or DVC no longer holds it.
        """
        try:
            content: str = self.system.read_text(path, encoding="utf-8")
        except FileNotFoundError as error:
            there = "" if self.name == WORKSPACE else f"`git checkout {self.name}`, then "
            raise UserError(
                f"{self.name}: {path} is neither in git nor in DVC's cache nor in a remote: "
                f"{there}`dvc repro` makes it (an experiment: run it again)."
            ) from error
        return content

    def bytes(self, path: str) -> bytes | None:
        """A file's content; None if there is no such file."""
        try:
            content: bytes = self.system.read_bytes(path)
        except FileNotFoundError:
            return None
        return content

    def table(self, path: str, *columns: str) -> pd.DataFrame:
        """A table as `stages.tables` writes it; of an older revision, which may lack columns."""
        return pd.read_csv(
            io.StringIO(self.text(path)),
            usecols=list(columns) or None,
            dtype=dict.fromkeys(("image", "label", "group", "sha256", "split"), str),
            keep_default_na=False,
            na_values={},
        )


def origin(lock: dict[str, Any], model: str) -> str:
    """Identify what no stage has written of what dvc.lock says a model's predictions come from.

    That is the code and the inbox. Two runs that differ in it are no repeats of each other.
    """
    made = {out["path"] for stage in lock["stages"].values() for out in stage.get("outs", [])}
    sources = {
        # The inbox is the same wherever it lies.
        dep["path"] if dep["path"].startswith("stages/") else "inbox": dep.get("md5")
        for name in stage_names(model)
        for dep in lock["stages"].get(name, {}).get("deps", [])
        if dep["path"] not in made
    }
    return hashlib.sha256(json.dumps(sources, sort_keys=True).encode()).hexdigest()


def differences(one: Run, other: Run) -> str:
    """How two runs' test images differ, in words; empty if they are the same."""
    if one.test_set == other.test_set:
        return ""
    if one.classes != other.classes:
        return (
            f"other classes ({', '.join(one.classes)} in {one.name}; "
            f"{', '.join(other.classes)} in {other.name})"
        )
    both = one.test.merge(other.test, on="image", how="outer", indicator=True)
    shared = both[both["_merge"] == "both"]
    found = {
        f"only in {one.name}": both[both["_merge"] == "left_only"],
        f"only in {other.name}": both[both["_merge"] == "right_only"],
        "labelled differently": shared[shared["label_x"] != shared["label_y"]],
        "of the same name, but other files": shared[shared["sha256_x"] != shared["sha256_y"]],
    }
    return ", ".join(
        f"{len(images)} {what} (such as {images['image'].iloc[0]})"
        for what, images in found.items()
        if len(images)
    )
