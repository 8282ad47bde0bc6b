"""What DVC holds of a revision: its predictions, its settings, and what they were made from."""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
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
from flatten_dict import flatten
from numpy.typing import NDArray
from ruamel.yaml import YAML

from cxr.pipeline.errors import UserError
from cxr.pipeline.tables import class_indices

Settings = dict[str, Any]

WORKSPACE = "workspace"
"""DVC's name for the files as they are, committed or not."""
MADE_BY = ("download", "prepare", "dedupe", "split", "train")
"""The stages that make the images, the split and the network, which predictions come from."""
MEASURED_BY = ("evaluate", "gradcam")
"""The stages that ask the network and measure its answers. Their code grows with every new number;
it makes no other configuration."""
CODE = ("stages/", "cxr/")
"""Where the code lies that stages depend on."""
NO_REPOSITORY = "this is no DVC repository: run this in the project's folder."


@dataclass(frozen=True)
class Run:
    """One trained network's predictions.

    Attributes:
        name: the revision or experiment.
        settings: all of its params.yaml, under dotted keys.
        origin: identifies the code and the inbox that it was made from.
        measures: the code that measures it, a checksum by path.
        test: `image`, `target`, `split_group` and `sha256` of each test image, sorted by image.
        probabilities: (N, classes), in the order of `test`.
    """

    name: str
    settings: Settings
    origin: str
    measures: dict[str, str]
    classes: list[str]
    test: pd.DataFrame
    probabilities: NDArray[np.float64]

    @cached_property
    def actual(self) -> NDArray[np.int64]:
        """Numbers of the test images' classes, (N,)."""
        return class_indices(self.test["target"], self.classes)

    @cached_property
    def test_set(self) -> str:
        """The same for two runs if and only if they were tested on the same images."""
        files = self.test[["image", "target", "sha256"]].to_csv(index=False)
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


def read(name: str, measured: Sequence[str] = ("evaluate",)) -> Run:
    """Read a revision, an experiment or the workspace.

    Args:
        measured: those of `MEASURED_BY` whose results are looked at.

    Raises:
        UserError: if there is no such revision, its predictions are nowhere to be had, or they are
            not those of its settings and its network.
    """
    files = Files(name)
    nested, lock = (YAML(typ="safe").load(files.text(it)) for it in ("params.yaml", "dvc.lock"))
    settings = flatten(nested, "dot", keep_empty_types=(dict,))
    check_settings(name, nested, lock)
    check_order(name, stage_names(settings["model"], (*MADE_BY, *measured)), lock)
    predictions = files.table("data/predictions.csv", "image", "target", "split")
    split = files.table("data/split.csv", "image", "split_group")
    images = files.table("data/images.csv", "image", "sha256")
    test = predictions[predictions["split"] == "test"].sort_values("image", ignore_index=True)
    for known in (split, images):
        test = test.merge(known, on="image", validate="one_to_one")
    columns = [column for column in test if column.startswith("p_")]
    return Run(
        name,
        settings,
        origin(lock, settings["model"]),
        measuring_code(lock, settings["model"]),
        [column.removeprefix("p_") for column in columns],
        test[["image", "target", "split_group", "sha256"]],
        test[columns].to_numpy(np.float64),
    )


def check_settings(name: str, settings: Settings, lock: dict[str, Any]) -> None:
    """Refuse a revision whose predictions were made with other settings than it has.

    Args:
        settings: nested, as in params.yaml.

    Raises:
        UserError: if params.yaml was changed after the last `dvc repro`.
    """
    for stage in stage_names(settings["model"], MADE_BY):
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


def check_order(name: str, stages: Sequence[str], lock: dict[str, Any]) -> None:
    """Refuse a revision of which a stage has not run since one that it depends on.

    Args:
        stages: as dvc.lock names them, in the order of the DAG.

    Raises:
        UserError: if what a stage took is not what the other one made.
    """
    made: dict[str, str] = {}
    for stage in stages:
        entry = lock["stages"].get(stage, {})
        taken = {dep["path"]: dep.get("md5") for dep in entry.get("deps", [])}
        if not entry or any(md5 != made.get(path, md5) for path, md5 in taken.items()):
            raise UserError(
                f"{name}: by its dvc.lock, stage {stage} has not run since what it depends on "
                "changed: `dvc repro` there, and commit dvc.lock."
            )
        made |= {out["path"]: out.get("md5") for out in entry.get("outs", [])}


def stage_names(model: str, stages: Sequence[str]) -> list[str]:
    """Stages as dvc.lock names them, where those from training on go by the model."""
    by_model = ("train", *MEASURED_BY)
    return [f"{name}@{model}" if name in by_model else name for name in stages]


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
        content = self.bytes(path)
        if content is None:
            there = "" if self.name == WORKSPACE else f"`git checkout {self.name}`, then "
            raise UserError(
                f"{self.name}: {path} is neither in git nor in DVC's cache nor in a remote: "
                f"{there}`dvc repro` makes it (an experiment: run it again)."
            )
        return content.decode("utf-8")

    def bytes(self, path: str) -> bytes | None:
        """A file's content; None if there is no such file.

        Raises:
            UserError: if only a remote has it, which can't be asked.
        """
        try:
            content: bytes = self.system.read_bytes(f"/{path}")
        except FileNotFoundError:
            return None
        # The client of each remote has exceptions of its own.
        except Exception as error:
            said = " ".join(str(error).split()) or type(error).__name__
            raise UserError(
                f"{self.name}: {path} is not in DVC's cache, and the remote can't be asked: {said}"
            ) from error
        return content

    def table(self, path: str, *columns: str) -> pd.DataFrame:
        """The columns named, and those that begin with `p_`, of a table of `cxr.pipeline.tables`.

        Raises:
            UserError: if it lacks one, because an older state of the code wrote it.
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
                f"{self.name}: {path} has no column {', '.join(missing)}: an older state of the "
                "code wrote it, whose results can't be compared with those of today."
            )
        return table


def origin(lock: dict[str, Any], model: str) -> str:
    """Identify what no stage has written of what dvc.lock says a model's predictions come from.

    That is the code and the inbox. Two runs that differ in it are no repeats of each other.
    """
    made = {out["path"] for stage in lock["stages"].values() for out in stage.get("outs", [])}
    sources = {
        # The inbox is the same wherever it lies.
        dep["path"] if dep["path"].startswith(CODE) else "inbox": dep.get("md5")
        for name in stage_names(model, MADE_BY)
        for dep in lock["stages"].get(name, {}).get("deps", [])
        if dep["path"] not in made
    }
    return hashlib.sha256(json.dumps(sources, sort_keys=True).encode()).hexdigest()


def measuring_code(lock: dict[str, Any], model: str) -> dict[str, str]:
    """The code that measured a model's predictions and heatmaps: a checksum by path."""
    return {
        dep["path"]: dep["md5"]
        for name in stage_names(model, MEASURED_BY)
        for dep in lock["stages"].get(name, {}).get("deps", [])
        if dep["path"].startswith(CODE)
    }


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
        "labelled differently": shared[shared["target_x"] != shared["target_y"]],
        "of the same name, but other files": shared[shared["sha256_x"] != shared["sha256_y"]],
    }
    return ", ".join(
        f"{len(images)} {what} (such as {images['image'].iloc[0]})"
        for what, images in found.items()
        if len(images)
    )
