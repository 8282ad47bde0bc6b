from pathlib import Path

import pytest

from cxr.pipeline.errors import UserError
from cxr.pipeline.params import load
from tests.helpers.closure import ROOT
from tests.helpers.params import changed


def test_the_projects_own_settings_are_valid() -> None:
    assert load(ROOT / "params.yaml").model == "resnet18"


def test_every_setting_is_explained_by_a_comment_above() -> None:
    lines = (ROOT / "params.yaml").read_text(encoding="utf-8").splitlines()
    bare = set()
    explained = ""
    for line in lines:
        if line.strip().startswith("#"):
            explained = "here"
        elif not line.strip() or (line.endswith(":") and explained != "here"):
            explained = ""
        elif not explained:
            bare.add(line.strip().split(":")[0])
    assert bare <= {"seed"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipes__scratch__epochs": "abc"}, ["recipes.scratch.epochs", "'abc'", "integer"]),
        ({"recipes__scratch__epoch": 3}, ["recipes.scratch.epoch", "unknown key", "'epochs'"]),
        ({"datset": "phantom"}, ["datset", "unknown key", "'dataset'"]),
        ({"architectures__resnet18__learning": 1.0}, ["architectures.resnet18.learning"]),
        (
            {"recipes__finetune__augment__rotat": 1.0},
            ["recipes.finetune.augment.rotat", "'rotate'"],
        ),
        ({"recipe": "finetun"}, ["recipe: 'finetun'", "did you mean 'finetune'", "scratch"]),
        ({"train__workers": "many"}, ["yaml: train.workers: 'many' is invalid", "auto"]),
        ({"split__patient_pattern": "("}, ["yaml: split.patient_pattern: '(' is not a regular"]),
        ({"split__folds": None}, ["split.folds", "missing"]),
        ({"split__fold": 7}, ["split.fold", "below split.folds"]),
        ({"phantom__marker_probability": 1.5}, ["phantom.marker_probability", "1.5"]),
        ({"model": "resnet81"}, ["model", "'resnet81'", "'resnet18'"]),
        ({"prepare__resize_mode": "squeeze"}, ["prepare.resize_mode", "'squeeze'", "'crop'"]),
        ({"dedupe__min_agreement": 0.5}, ["dedupe.min_agreement", "0.5", "0.55"]),
        ({"inbox": ""}, ["inbox"]),
        ({"dataset": None, "datset": "phantom"}, ["datset", "unknown key", "'dataset'"]),
        ({"recipes__scratch__lr": float("inf")}, ["recipes.scratch.lr", "finite"]),
        ({"recipes__scratch__freeze_epochs": 99}, ["recipes.scratch.freeze_epochs", "epochs (16)"]),
        ({"recipes__scratch__warmup_epochs": 17}, ["recipes.scratch", "warmup_epochs: 17", "16"]),
        ({"recipes__finetune__patience": 3}, ["recipes.finetune.patience", "monitor"]),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(
    tmp_path: Path, changes: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(UserError) as caught:
        load(changed(tmp_path, **changes))
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_network_changes_the_rate_and_from_scratch_the_epochs(tmp_path: Path) -> None:
    load_with = lambda **changes: load(changed(tmp_path, **changes)).training()  # noqa: E731
    slow = {"model": "efficientnet_tiny", "architectures__efficientnet_tiny__lr_factor": 0.5}
    plain, changed_by_network = load_with(), load_with(**slow)
    assert changed_by_network.lr == plain.lr / 2
    assert changed_by_network.epochs == plain.epochs * 3
    recipe = load(ROOT / "params.yaml").recipes["finetune"]
    tuned = load_with(**slow, recipe="finetune")
    assert (tuned.lr, tuned.epochs) == (recipe.lr / 2, recipe.epochs)


def test_a_missing_or_broken_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing"):
        load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [1,\nb: }")
    with pytest.raises(UserError, match="not valid YAML") as caught:
        load(tmp_path / "params.yaml")
    assert "\n" not in str(caught.value)


def test_an_empty_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("")
    with pytest.raises(UserError, match=r"params\.yaml is empty"):
        load(tmp_path / "params.yaml")
