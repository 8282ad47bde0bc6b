import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from cxr.commands.crossval import command
from cxr.commands.crossval.command import check_folds, fold_count
from cxr.commands.crossval.page import write_results
from cxr.commands.crossval.pool import pool
from cxr.commands.revisions import Run
from cxr.pipeline.errors import UserError
from tests.helpers.closure import ROOT
from tests.helpers.html_page import Page
from tests.helpers.project import Project, environment
from tests.helpers.revisions import run

FEW = {"evaluate__resamples": 200}


def folds(**settings: object) -> list[Run]:
    settings = FEW | settings
    return [
        run("0", right=0.9, prefix="a", **settings),
        run("1", right=0.6, prefix="b", seed=1, **settings),
        run("2", right=0.7, prefix="c", seed=2, images=20, **settings),
    ]


def test_the_pooled_scores_are_those_of_all_predictions_together() -> None:
    runs = folds()
    result = pool(runs)
    actual = np.concatenate([each.actual for each in runs])
    probs = np.concatenate([each.probs for each in runs])
    expected = balanced_accuracy_score(actual, probs.argmax(1))
    assert result["balanced_accuracy"] == pytest.approx(expected)
    assert result["auroc"] == pytest.approx(roc_auc_score(actual, probs[:, 1]))
    interval = result["interval"]["balanced_accuracy"]
    assert interval["low"] < expected < interval["high"]
    # Two images a patient.
    assert (result["images"], result["groups"]) == (140, 70)
    assert sum(sum(row.values()) for row in result["confusion"].values()) == 140
    single = [balanced_accuracy_score(each.actual, each.probs.argmax(1)) for each in runs]
    assert [fold["balanced_accuracy"] for fold in result["fold"]] == pytest.approx(single)
    assert result["mean_over_folds"]["balanced_accuracy"] == pytest.approx(np.mean(single))
    assert result["sd_over_folds"]["balanced_accuracy"] == pytest.approx(np.std(single, ddof=1))


def test_intervals_have_the_confidence_of_the_folds() -> None:
    usual, narrow = (pool(folds(evaluate__confidence=level)) for level in (0.95, 0.8))
    for name in ("accuracy", "auroc"):
        widths = [
            each["interval"][name]["high"] - each["interval"][name]["low"]
            for each in (usual, narrow)
        ]
        assert widths[1] < 0.8 * widths[0]


def test_a_patient_is_drawn_as_a_whole() -> None:
    images, patients = ([run("0", each=each, images=200, **FEW)] for each in (1, 20))
    narrow, wide = (pool(runs)["interval"]["accuracy"] for runs in (images, patients))
    assert wide["high"] - wide["low"] > 0.8 * (narrow["high"] - narrow["low"])
    assert pool(patients)["groups"] == 10


def test_results_are_written_beside_what_the_folder_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    runs = folds()
    write_results(Path(), runs, pool(runs), [])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "confusion.png", "crossval.json", "index.html", "notes.txt", "predictions.csv"
    ]  # fmt: skip


def test_an_image_that_two_folds_test_is_refused() -> None:
    check_folds([["a.png", "b.png"], ["c.png"]])
    with pytest.raises(UserError, match=r"b\.png is a test image in fold 0 and in fold 2.*offici"):
        check_folds([["a.png", "b.png"], ["c.png"], ["b.png"]])


def test_what_is_refused_is_refused_before_a_fold_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    stages = []

    def run_fold(changes: list[str], fold: int, folds: int, stage: str) -> str:
        stages.append(stage)
        return f"crossval-{fold}"

    monkeypatch.setattr(command, "run_fold", run_fold)
    monkeypatch.setattr(command, "read_test", lambda name: ["a.png"])
    with pytest.raises(UserError, match=r"a\.png is a test image in fold 0 and in fold 1"):
        command.crossval([], 3, False, None, ROOT)
    assert stages == ["split"] * 3


@pytest.mark.parametrize(
    ("changes", "folds", "complaint"),
    [
        (["model"], None, "-S model: write a setting and its value"),
        (["split.fold=2"], None, "leave out -S split.fold"),
        (["split.folds=5"], 7, "either --folds or -S split.folds"),
        (["split.folds=many"], None, "'many' is not a number"),
    ],
)
def test_changes_that_leave_no_folds_to_run_are_refused(changes, folds, complaint) -> None:
    with pytest.raises(UserError, match=complaint):
        fold_count(changes, folds, 5)


def test_the_number_of_folds_is_that_of_the_option_the_change_or_the_settings() -> None:
    assert [fold_count([], 7, 5), fold_count(["split.folds=4"], None, 5)] == [7, 4]
    assert fold_count(["model=resnet18"], None, 5) == 5


@pytest.mark.slow
def test_all_folds_run_once_and_come_from_the_cache_again(
    reproduced: tuple[Project, str], tmp_path: Path
) -> None:
    # A clone's cache is empty: that the results are committed must not stop a part of the pipeline.
    project = reproduced[0].clone(tmp_path / "clone")
    before = project.git("status", "--short")
    command = ("crossval", "-S", "recipes.scratch.batch_size=12", "--folds", "3")
    outputs = [
        subprocess.run(
            [sys.executable, "-m", "cxr", *command, "--out", str(tmp_path / name)],
            cwd=project.folder, env=environment(), check=True, capture_output=True, text=True,
        ).stdout
        for name in ("first", "again")
    ]  # fmt: skip
    assert "Stage 'train' is cached" not in outputs[0]
    assert outputs[1].count("Stage 'train' is cached") == 3
    assert all("each tested once" in output for output in outputs)
    for name in ("crossval.json", "predictions.csv", "index.html", "confusion.png"):
        written = (tmp_path / "first" / name).read_bytes()
        assert written == (tmp_path / "again" / name).read_bytes(), name
    assert project.git("status", "--short") == before
    table = pd.read_csv(tmp_path / "first" / "predictions.csv")
    assert table["image"].is_unique
    assert set(table["fold"]) == {0, 1, 2}
    assert table.groupby("split_group")["fold"].nunique().max() == 1
    result = json.loads((tmp_path / "first" / "crossval.json").read_text())
    assert result["images"] == len(table)
    page = Page((tmp_path / "first" / "index.html").read_text())
    assert f"{len(table)} images" in page.text
