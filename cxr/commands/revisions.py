"""Read the run of a revision: its predictions, its settings, and checksums of its code."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from flatten_dict import flatten
from numpy.typing import NDArray
from ruamel.yaml import YAML

from cxr.commands.revision_files import RevisionFiles
from cxr.pipeline.errors import UserError
from cxr.pipeline.tables import class_indices

Settings = dict[str, Any]

TRAINING_STAGES = ("download", "prepare", "dedupe", "split", "train")
"""The stages that produce the data, the split and the network, and so determine predictions."""
EVALUATION_STAGES = ("evaluate", "gradcam")
"""The stages that apply and evaluate the network. A change of their code does not make another
configuration."""
CODE = ("stages/", "cxr/")
"""The folders of the code that stages depend on."""


@dataclass(frozen=True)
class Run:
    """One trained network's predictions.

    Attributes:
        name: the revision or experiment.
        settings: all of its params.yaml, with dotted keys.
        source_hash: identifies the code and the inbox that it was trained with.
        evaluation_code: a checksum of each path of the code that evaluated it.
        test: `image`, `target`, `split_group` and `sha256` of each test image, sorted by image.
        probs: (N, classes), in the order of `test`.
    """

    name: str
    settings: Settings
    source_hash: str
    evaluation_code: dict[str, str]
    classes: list[str]
    test: pd.DataFrame
    probs: NDArray[np.float64]

    @cached_property
    def actual(self) -> NDArray[np.int64]:
        """Class indices of the test images, (N,)."""
        return class_indices(self.test["target"], self.classes)

    @cached_property
    def test_set(self) -> str:
        """A hash that two runs share if and only if they were tested on the same images."""
        files = self.test[["image", "target", "sha256"]].to_csv(index=False)
        return hashlib.sha256(f"{self.classes}\n{files}".encode()).hexdigest()


def read_run(name: str, evaluation_stages: Sequence[str] = ("evaluate",)) -> Run:
    """Read a revision, an experiment or the workspace.

    Args:
        evaluation_stages: those of `EVALUATION_STAGES` whose results are used.

    Raises:
        UserError: if there is no such revision, its predictions can't be found, or they were not
            made with its settings and its network.
    """
    files = RevisionFiles(name)
    nested, lock = YAML(typ="safe").load(files.text("params.yaml")), read_lock(files)
    settings = flatten(nested, "dot", keep_empty_types=(dict,))
    check_settings(name, nested, lock)
    stages = (*TRAINING_STAGES, *evaluation_stages)
    check_up_to_date(name, stages, lock)
    predictions = files.table("data/predictions.csv", "image", "target", "split")
    split = files.table("data/split.csv", "image", "split_group")
    images = files.table("data/images.csv", "image", "sha256")
    test = predictions[predictions["split"] == "test"].sort_values("image", ignore_index=True)
    for table in (split, images):
        test = test.merge(table, on="image", validate="one_to_one")
    columns = [column for column in test if column.startswith("p_")]
    return Run(
        name,
        settings,
        hash_sources(lock),
        evaluation_code(lock),
        [column.removeprefix("p_") for column in columns],
        test[["image", "target", "split_group", "sha256"]],
        test[columns].to_numpy(np.float64),
    )


def read_lock(files: RevisionFiles) -> dict[str, Any]:
    """The dvc.lock of a revision."""
    lock: dict[str, Any] = YAML(typ="safe").load(files.text("dvc.lock"))
    return lock


def check_settings(name: str, settings: Settings, lock: dict[str, Any]) -> None:
    """Check that a revision's predictions were made with its settings.

    Args:
        settings: nested, as in params.yaml.

    Raises:
        UserError: if params.yaml was changed after the last `dvc repro`.
    """
    for stage in TRAINING_STAGES:
        made_with = lock["stages"].get(stage, {}).get("params", {}).get("params.yaml")
        if made_with is None or any(
            value != value_at(settings, key) for key, value in made_with.items()
        ):
            raise UserError(
                f"{name}: dvc.lock was made with another params.yaml (stage {stage}): run "
                "`dvc repro` there and commit dvc.lock."
            )


def value_at(settings: Any, key: str) -> Any:
    """The value of a dotted key in nested settings; None if there is none."""
    for part in key.split("."):
        settings = settings.get(part) if isinstance(settings, dict) else None
    return settings


def check_up_to_date(name: str, stages: Sequence[str], lock: dict[str, Any]) -> None:
    """Check that each stage has run since the stages that it depends on.

    Args:
        stages: in the order of the DAG.

    Raises:
        UserError: if a stage used another version of a file than the last one that was written.
    """
    written: dict[str, str] = {}
    for stage in stages:
        entry = lock["stages"].get(stage, {})
        used = {dep["path"]: dep.get("md5") for dep in entry.get("deps", [])}
        if not entry or any(md5 != written.get(path, md5) for path, md5 in used.items()):
            raise UserError(
                f"{name}: by its dvc.lock, stage {stage} has not run since its dependencies "
                "changed: run `dvc repro` there and commit dvc.lock."
            )
        written |= {out["path"]: out.get("md5") for out in entry.get("outs", [])}


def hash_sources(lock: dict[str, Any]) -> str:
    """Hash the dependencies of the training stages that are not outputs of a stage.

    These are the code and the inbox. Two runs that differ in them are not repeats of each other.
    """
    outputs = {out["path"] for stage in lock["stages"].values() for out in stage.get("outs", [])}
    sources = {
        # The inbox counts by its content, not by its path.
        dep["path"] if dep["path"].startswith(CODE) else "inbox": dep.get("md5")
        for name in TRAINING_STAGES
        for dep in lock["stages"].get(name, {}).get("deps", [])
        if dep["path"] not in outputs
    }
    return hashlib.sha256(json.dumps(sources, sort_keys=True).encode()).hexdigest()


def evaluation_code(lock: dict[str, Any]) -> dict[str, str]:
    """A checksum of each path of the code that evaluated a model and its heatmaps."""
    return {
        dep["path"]: dep["md5"]
        for name in EVALUATION_STAGES
        for dep in lock["stages"].get(name, {}).get("deps", [])
        if dep["path"].startswith(CODE)
    }


def describe_test_differences(first: Run, second: Run) -> str:
    """How the test images of two runs differ; empty if they are the same."""
    if first.test_set == second.test_set:
        return ""
    if first.classes != second.classes:
        return (
            f"different classes ({', '.join(first.classes)} in {first.name}; "
            f"{', '.join(second.classes)} in {second.name})"
        )
    both = first.test.merge(second.test, on="image", how="outer", indicator=True)
    shared = both[both["_merge"] == "both"]
    differences = {
        f"only in {first.name}": both[both["_merge"] == "left_only"],
        f"only in {second.name}": both[both["_merge"] == "right_only"],
        "with different labels": shared[shared["target_x"] != shared["target_y"]],
        "with the same name but different content": shared[
            shared["sha256_x"] != shared["sha256_y"]
        ],
    }
    return ", ".join(
        f"{len(images)} {difference} (such as {images['image'].iloc[0]})"
        for difference, images in differences.items()
        if len(images)
    )
