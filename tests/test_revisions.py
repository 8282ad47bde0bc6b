"""compare and report in a real repository, on what the real `dvc` holds of its revisions."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from stages import runs
from stages.command import UserError
from stages.compare.__main__ import main as compare
from stages.report.__main__ import main as report
from stages.report.comment import MARKER
from tests.project import Project

pytestmark = pytest.mark.xdist_group("dag")


@pytest.fixture
def here(changed: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(changed.folder)
    return changed


def call(main, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["stage", *words])
    main()


def test_compare_takes_the_commit_and_its_experiments(
    here: Project, monkeypatch, capsys, tmp_path: Path
) -> None:
    call(compare, monkeypatch, "--out", str(tmp_path))
    table = pd.read_csv(tmp_path / "leaderboard.csv").set_index("name")
    assert table["revisions"].to_dict() == {
        "train.batch_size=16": "HEAD",
        "train.batch_size=8": "other",
    }
    written = json.loads(here.read("metrics/test.json"))
    row = table.loc["train.batch_size=8"]
    assert row["auroc"] == pytest.approx(written["auroc"], abs=1e-5)
    assert row["auroc_low"] == pytest.approx(written["interval"]["auroc"]["low"], abs=1e-5)
    assert (tmp_path / "leaderboard.md").read_text() == capsys.readouterr().out
    assert (tmp_path / "leaderboard.png").is_file()


def test_the_workspace_and_the_experiment_in_it_are_the_same_run(
    here: Project, monkeypatch, capsys
) -> None:
    call(compare, monkeypatch, "main", "other", "workspace")
    printed = capsys.readouterr().out
    assert printed.count("| train.batch_size=8 | 1 |") == 1
    assert "workspace" not in printed
    other, workspace = runs.read("other"), runs.read("workspace")
    assert other.origin == workspace.origin == runs.read("main").origin
    assert (other.probabilities == workspace.probabilities).all()


def test_settings_that_were_not_reproduced_are_refused(here: Project) -> None:
    here.set(**{"train.epochs": 77})
    try:
        with pytest.raises(UserError, match=r"workspace: params.yaml is not what"):
            runs.read("workspace")
    finally:
        here.set(**{"train.epochs": 1})


def test_report_says_what_dvc_says(here: Project, monkeypatch, capsys, tmp_path: Path) -> None:
    out, images = tmp_path / "comment.md", tmp_path / "images"
    call(report, monkeypatch, "--against", "main", "--out", str(out), "--images", str(images))
    text = out.read_text()
    assert text == capsys.readouterr().out
    assert text.splitlines()[0] == MARKER
    rows = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("| ")}
    assert rows["| `train.batch_size`"] == "| `train.batch_size` | `16` | `8` |"
    diff = json.loads(here.dvc("metrics", "diff", "main", "--all", "--json"))
    for name in ("accuracy", "auroc", "brier"):
        numbers = diff["metrics/test.json"][name]
        (row,) = (row for key, row in rows.items() if key.startswith(f"| {name.replace('_', ' ')}"))
        found = [float(cell.split()[0]) for cell in row.split(" | ")[1:4]]
        expected = [numbers["old"], numbers["new"], numbers["new"] - numbers["old"]]
        assert found == pytest.approx(expected, abs=6e-4)
        assert found[0] != found[1]
    flow = json.loads(here.read("metrics/split.json"))["flow"]
    assert f"{flow['train']} train, {flow['val']} val, {flow['test']} test, as before" in text
    for side, folder in (("change", here.folder), ("target", None)):
        picture = images / f"{side}-confusion.png"
        assert picture.is_file()
        if folder is not None:
            assert picture.read_bytes() == (folder / "plots/evaluate/confusion.png").read_bytes()


def test_what_is_not_there_is_one_line_with_the_remedy(here: Project, monkeypatch) -> None:
    with pytest.raises(UserError, match="no revision or experiment 'othr'"):
        call(compare, monkeypatch, "main", "othr")
    cache = here.folder / ".dvc/cache"
    cache.rename(here.folder / "away")
    try:
        with pytest.raises(UserError, match=r"main: data/\w+.csv is neither .* `dvc repro`"):
            call(report, monkeypatch, "--against", "main")
        # The experiment's and the commit's are gone: what is named is needed, what is not is left.
        with pytest.raises(UserError, match="nothing to compare"):
            call(compare, monkeypatch)
    finally:
        (here.folder / "away").rename(cache)


def test_outside_of_a_repository_is_one_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for ask in (runs.experiments, lambda: runs.read("main")):
        with pytest.raises(UserError, match="no DVC repository"):
            ask()


def test_the_origin_is_the_code_and_the_inbox_and_nothing_that_a_stage_made() -> None:
    def origin(code="1", inbox=("data/inbox", "2"), pixels="3", model="net", other="4") -> str:
        def deps(*found):
            return [{"path": path, "md5": md5} for path, md5 in found]

        stages = {
            "download": {"deps": deps(("stages/download", "0"), inbox)},
            "prepare": {
                "deps": deps(("stages/prepare", "0")),
                "outs": deps(("data/pixels.npy", pixels)),
            },
            f"train@{model}": {"deps": deps(("stages/train", code), ("data/pixels.npy", pixels))},
            "train@other": {"deps": deps(("stages/train", other))},
            f"evaluate@{model}": {"deps": deps(("stages/evaluate", other))},
        }
        return runs.origin({"stages": stages}, model)

    assert origin(pixels="9", other="9", inbox=("/data/inbox", "2"), model="b") == origin()
    assert origin(code="9") != origin()
    assert origin(inbox=("data/inbox", "9")) != origin()
