"""The whole DAG in a repository of its own, run by the real `dvc`."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from cxr.pipeline import tables
from stages.train import checkpoint
from tests.helpers.closure import ROOT, closure
from tests.helpers.html_page import Page
from tests.helpers.project import Project

STAGES = [
    *("check", "download", "prepare", "dedupe", "split", "train", "evaluate", "gradcam"),
    "report",
]
DEFINITION = YAML(typ="safe").load(ROOT / "dvc.yaml")


def code_of(stage: str) -> list[str]:
    """The folders of code that a stage depends on, by dvc.yaml."""
    deps = DEFINITION["stages"][stage]["deps"]
    return [dep for dep in deps if dep.startswith(("stages/", "cxr/"))]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_code_that_it_imports_and_no_other(stage: str) -> None:
    imported = closure(f"stages.{stage}.__main__")
    deps = code_of(stage)
    covered = {file for file in imported for dep in deps if file.startswith(dep + "/")}
    assert imported == covered, "code that is imported but no dep"
    for dep in deps:
        assert (ROOT / dep).is_dir()
        assert any(file.startswith(dep + "/") for file in imported), f"needless dep {dep}"


def test_nothing_that_only_draws_or_words_things_retrains_a_network() -> None:
    assert "cxr/plotting" not in code_of("train")


def test_a_training_that_was_killed_goes_on_unless_its_own_code_changed() -> None:
    assert sorted(checkpoint.CODE) == sorted(code_of("train"))


def test_the_first_run_runs_every_stage_in_order(reproduced: tuple[Project, str]) -> None:
    project, output = reproduced
    assert project.ran(output) == STAGES
    assert project.git("status", "--porcelain") == ""


def test_the_page_tells_what_came_out(reproduced: tuple[Project, str]) -> None:
    project, _ = reproduced
    page = Page(project.read("report/index.html"))
    test = json.loads(project.read("metrics/test.json"))
    data = json.loads(project.read("metrics/data.json"))
    assert page.table("Scores on the test images")["Accuracy"][0] == f"{test['accuracy']:.3f}"
    assert f"{data['images']} images found in “phantom”" in " ".join(page.text.split())
    assert str(project.folder) not in page.text


def test_a_second_run_runs_nothing(reproduced: tuple[Project, str]) -> None:
    project, _ = reproduced
    assert project.ran(project.dvc("repro")) == []


@pytest.mark.slow
def test_a_fresh_clone_gives_the_same_lock(reproduced: tuple[Project, str], tmp_path: Path) -> None:
    project, _ = reproduced
    clone = project.clone(tmp_path / "clone")
    (clone.folder / "dvc.lock").unlink()
    assert clone.ran(clone.dvc("repro")) == STAGES
    assert clone.read("dvc.lock") == project.read("dvc.lock")
    assert clone.outputs() == project.outputs()


# A parameter, another value, and the stages that use it.
USES = [
    ("dataset", "folder", {"download", "dedupe", "split", "report"}),
    ("phantom.marker_probability", 0.5, {"download", "report"}),
    ("download.max_compression_ratio", 50, {"download"}),
    ("union.datasets", ["folder", "phantom"], {"download", "report"}),
    ("union.labels.phantom", {"COVID": "ill"}, {"dedupe", "split", "report"}),
    ("labels.folder", {"a": "b"}, {"dedupe", "split", "report"}),
    ("prepare.resize_mode", "pad", {"prepare", "train", "report"}),
    ("prepare.backend", "threading", {"prepare", "report"}),
    ("dedupe.max_distance", 30, {"dedupe", "report"}),
    ("split.fold", 1, {"split", "report"}),
    ("train.seed", 2, {"train", "report"}),
    ("recipe", "finetune", {"train", "report"}),
    ("recipes.scratch.epochs", 2, {"train", "report"}),
    ("recipes.scratch.augment.horizontal_flip", 0.0, {"train", "report"}),
    ("recipes.finetune.epochs", 2, set()),
    ("architectures.simple_cnn.lr_factor", 0.1, {"train", "report"}),
    ("architectures.resnet18.lr_factor", 0.1, set()),
    ("cpu.portable", False, {"train", "evaluate", "gradcam"}),
    ("evaluate.resamples", 200, {"evaluate", "gradcam", "report"}),
    ("evaluate.target_sensitivity", 0.9, {"evaluate", "report"}),
    ("gradcam.method", "LayerCAM", {"gradcam", "report"}),
]


def rounds() -> list[list[tuple[str, object, set[str]]]]:
    """USES in as few rounds as can be, since each call of dvc takes more than a second.

    In a round there is one parameter of a section: where a stage uses a section as a whole, DVC
    says that it changed, not where.
    """
    found: list[dict[str, tuple[str, object, set[str]]]] = []
    for use in USES:
        # `recipe` decides which of `recipes` is used.
        section = use[0].split(".")[0].removesuffix("s")
        free = next((one for one in found if section not in one), None)
        if free is None:
            found.append(free := {})
        free[section] = use
    return [list(one.values()) for one in found]


@pytest.mark.parametrize("uses", rounds())
def test_a_parameter_changes_the_stages_that_use_it_and_no_others(
    project: Project, uses: list[tuple[str, object, set[str]]]
) -> None:
    project.set(**{key: value for key, value, _ in uses})
    status = json.loads(project.dvc("status", "--json"))
    assert "changed command" not in str(status)
    for key, _, stages in uses:
        found = {
            stage
            for stage, changes in status.items()
            for change in changes
            for name in change.get("changed deps", {}).get("params.yaml", {})
            if f"{key}.".startswith(f"{name}.")
        }
        assert found == {"check", *stages}, key


def test_another_inbox_concerns_the_download(project: Project) -> None:
    project.set(inbox="data")
    status = json.loads(project.dvc("status", "--json"))
    assert set(status) == {"check", "download"}


def test_each_data_stage_says_how_many_images_go_on_and_why_the_others_do_not(
    reproduced: tuple[Project, str],
) -> None:
    project, output = reproduced
    lines = re.findall(r"^kept (\d+) of (\d+) images\n((?:  .+\n)*)", output, re.M)
    going, found, reasons = zip(*lines, strict=True)
    for left, before, text in lines:
        out = sum(int(line.split()[0]) for line in text.splitlines())
        assert int(left) == int(before) - out
    images = tables.read(project.folder / "data/images.csv", tables.Images)
    split = tables.read(project.folder / "data/split.csv", tables.Split)
    usable = str((images["status"] == "ok").sum())
    # download, prepare, dedupe; and split, which counts all images again.
    assert found == (str(len(images)), str(len(images)), usable, str(len(images)))
    assert going[:2] == (str(len(images)), usable)
    assert going[3] == str((split["split"] != "").sum())
    assert "unusable: empty file" in reasons[1]
    assert "exact duplicates" in reasons[2]
    assert "unlabelled" in reasons[3]


def test_an_inbox_of_any_name_is_read(project: Project) -> None:
    inbox = project.folder.parent / 'ray\'s $HOME [ü] "x"'
    for name in ("a/1.png", "b/2.png"):
        (inbox / name).parent.mkdir(parents=True)
        (inbox / name).write_bytes(b"x")
    project.set(dataset="folder", inbox=str(inbox))
    project.dvc("repro", "download")
    index = tables.read(project.folder / "data/index.csv", tables.Index)
    assert index["image"].tolist() == ["a/1.png", "b/2.png"]


def test_images_in_the_inbox_can_be_versioned_by_dvc(project: Project) -> None:
    for name in ("a/1.png", "b/2.png"):
        image = project.folder / "data/inbox/xrays" / name
        image.parent.mkdir(parents=True)
        image.write_bytes(b"x")
    project.dvc("add", "data/inbox/xrays")
    project.commit("Add images")
    assert "data/inbox/xrays.dvc" in project.git("ls-files")
    project.set(dataset="folder")
    project.dvc("repro", "download")
    index = tables.read(project.folder / "data/index.csv", tables.Index)
    assert index["image"].tolist() == ["xrays/a/1.png", "xrays/b/2.png"]


def test_what_did_not_change_is_not_run(project: Project) -> None:
    output = project.dvc("exp", "run", "-S", "evaluate.target_sensitivity=0.9")
    assert project.ran(output) == ["check", "evaluate", "report"]


def test_another_size_of_the_images_is_not_taken_for_the_one_before(project: Project) -> None:
    project.set(**{"prepare.image_size": 40})
    project.dvc("repro", "prepare")
    assert np.load(project.folder / "data/pixels.npy", mmap_mode="r").shape[1:] == (40, 40)


def test_no_setting_has_a_name_that_dvcs_run_cache_leaves_out() -> None:
    # dvc.stage.cache._get_cache_hash: runs that differ in such a key alone are the same to it.
    def names(settings: object) -> set[str]:
        inner = settings.items() if isinstance(settings, dict) else ()
        return {key for key, _ in inner}.union(*(names(value) for _, value in inner))

    assert not names(YAML(typ="safe").load(ROOT / "params.yaml")) & {"size", "nfiles"}


def test_a_changed_inbox_is_noticed(project: Project) -> None:
    (project.folder / "data/inbox/new.png").write_bytes(b"x")
    status = json.loads(project.dvc("status", "--json"))
    assert set(status) == {"download"}


def test_a_union_finds_copies_across_its_data_sets(project: Project) -> None:
    index = tables.read(project.folder / "data/index.csv", tables.Index)
    index = index[index["mask"] != ""]
    for label, name in (("COVID", "COVID"), ("Normal", "normal")):
        for image in index["image"][index["label"] == label].head(10):
            for place in (f"folder/{name}", f"radiography/{label}"):
                (project.folder / "data/inbox" / place).mkdir(parents=True, exist_ok=True)
                shutil.copy(
                    project.folder / "data/raw" / image, project.folder / "data/inbox" / place
                )
    project.set(**{"dataset": "union", "union.datasets": ["folder", "radiography"]})
    project.dvc("repro", "split")
    duplicates = tables.read(project.folder / "data/duplicates.csv", tables.Duplicates)
    members = duplicates.groupby("duplicate_group")["image"].agg(set)
    assert {len({image.split("/")[0] for image in group}) for group in members} == {2}
    split = tables.read(project.folder / "data/split.csv", tables.Split)
    assert set(split["target"]) == {"COVID", "normal"}


def test_a_relative_inbox_outside_is_refused_in_a_temporary_directory(project: Project) -> None:
    outside = project.folder.parent / "outside"
    shutil.copytree(project.folder / "data/inbox", outside)
    output = project.dvc("exp", "run", "--temp", "-S", "inbox=../outside", fails=True)
    assert f"Write -S inbox={outside}" in output
    assert "Traceback" not in output


def test_planted_faults_are_all_found_and_no_others(reproduced: tuple[Project, str]) -> None:
    project, _ = reproduced
    data = project.folder / "data"
    truth = pd.read_csv(data / "raw/truth.csv", keep_default_na=False)
    images = tables.read(data / "images.csv", tables.Images)
    duplicates = tables.read(data / "duplicates.csv", tables.Duplicates)

    def planted(*kinds: str) -> set[str]:
        return set(truth["image"][truth["kind"].isin(kinds)])

    bad = planted("truncated", "empty", "text")
    assert set(images["image"][images["status"] == "unusable"]) == bad
    assert set(images["image"][images["label"] == ""]) == planted("unlabelled")
    pairs = truth[truth["kind"].isin(["exact", "reencoded", "resized", "brightened", "relabelled"])]
    assert len(pairs)
    group = duplicates.set_index("image")["duplicate_group"]
    assert (group[pairs["image"]].to_numpy() == group[pairs["of"]].to_numpy()).all()
    assert len(group) - group.nunique() == len(pairs)
    relabelled = truth[truth["kind"] == "relabelled"]
    conflict = set(duplicates["image"][duplicates["reason"] == "conflict"])
    assert conflict == set(
        duplicates["image"][duplicates["duplicate_group"].isin(group[relabelled["image"]])]
    )
