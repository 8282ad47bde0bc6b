"""compare and comment in a real repository, on what the real `dvc` holds of its revisions."""

import json
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from cxr.commands import revision_files, revisions
from cxr.commands.comment.sections import MARKER
from cxr.pipeline.errors import UserError
from tests.helpers.commands import call
from tests.helpers.project import Project


@pytest.fixture
def here(changed: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(changed.folder)
    return changed


def test_compare_takes_the_commit_and_its_experiments(
    here: Project, capsys, tmp_path: Path
) -> None:
    call("compare", "--out", str(tmp_path))
    table = pd.read_csv(tmp_path / "leaderboard.csv").set_index("name")
    assert table["revisions"].to_dict() == {
        "batch_size=16": "HEAD",
        "batch_size=8": "other",
    }
    written = json.loads(here.read("metrics/test.json"))
    row = table.loc["batch_size=8"]
    assert row["auroc"] == pytest.approx(written["auroc"], abs=1e-5)
    low = written["balanced_accuracy_low"]
    assert table.loc["batch_size=8", "balanced_accuracy_low"] == pytest.approx(low, abs=1e-5)
    assert (tmp_path / "leaderboard.md").read_text() == capsys.readouterr().out
    assert (tmp_path / "leaderboard.png").is_file()


def test_the_workspace_and_the_experiment_in_it_are_the_same_run(here: Project, capsys) -> None:
    call("compare", "main", "other", "workspace")
    printed = capsys.readouterr().out
    assert printed.count("| batch_size=8 | 1 |") == 1
    assert "workspace" not in printed
    other, workspace = revisions.read_run("other"), revisions.read_run("workspace")
    assert other.source_hash == workspace.source_hash == revisions.read_run("main").source_hash
    assert (other.probs == workspace.probs).all()


def test_settings_that_were_not_reproduced_are_refused(here: Project) -> None:
    here.set(**{"recipes.scratch.epochs": 77})
    try:
        with pytest.raises(
            UserError, match=r"workspace: dvc.lock was made with another params.yaml"
        ):
            revisions.read_run("workspace")
    finally:
        here.set(**{"recipes.scratch.epochs": 1})


def test_report_says_what_dvc_says(here: Project, capsys, tmp_path: Path) -> None:
    out, images = tmp_path / "comment.md", tmp_path / "images"
    call("comment", "--against", "main", "--out", str(out), "--plots", str(images))
    text = out.read_text()
    assert text == capsys.readouterr().out
    assert text.splitlines()[0] == MARKER
    rows = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("| ")}
    assert rows["| `recipes.scratch.batch_size`"] == "| `recipes.scratch.batch_size` | `16` | `8` |"
    diff = json.loads(here.dvc("metrics", "diff", "main", "--all", "--json"))
    # Not accuracy, which need not change in one epoch.
    for name, spoken in (
        ("auroc", "AUROC"),
        ("brier", "Brier score"),
        ("ece", "expected calibration err"),
    ):
        numbers = diff["metrics/test.json"][name]
        (row,) = (row for key, row in rows.items() if key.startswith(f"| {spoken}"))
        found = [float(cell.split()[0]) for cell in row.split(" | ")[1:4]]
        expected = [numbers["old"], numbers["new"], numbers["new"] - numbers["old"]]
        assert found == pytest.approx(expected, abs=6e-4)
        assert found[0] != found[1]
    data = json.loads(here.read("metrics/data.json"))
    section = text.split("### Data\n\nNo number changed: ")[1].split(".")[0].split(", ")
    assert {f"images {data['images']}", f"leaks {data['leaks']}"} <= set(section)
    assert f"are in `{images}`" in text
    for side, folder in (("change", here.folder), ("target", None)):
        picture = images / f"{side}-confusion.png"
        assert picture.is_file()
        if folder is not None:
            assert picture.read_bytes() == (folder / "plots/evaluate/confusion.png").read_bytes()


def test_a_folder_of_the_project_will_do_too(here: Project, monkeypatch, capsys) -> None:
    printed = []
    for place in (here.folder, here.folder / "data" / "inbox"):
        monkeypatch.chdir(place)
        call("comment", "--against", "main")
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


@pytest.fixture
def in_sub_folder(changed: Project, tmp_path: Path) -> Project:
    """The project in a sub-folder of a git repository."""
    whole = changed.copy(tmp_path / "whole")
    after = {name: whole.read(name) for name in ("params.yaml", "dvc.lock")}
    whole.git("restore", ".")
    inside = Project(whole.folder / "inside")
    inside.folder.mkdir()
    for path in whole.folder.iterdir():
        if path.name not in (".git", "inside"):
            path.rename(inside.folder / path.name)
    whole.commit("Move")
    for name, text in after.items():
        (inside.folder / name).write_text(text, encoding="utf-8")
    return inside


def test_a_project_in_a_sub_folder_of_a_repository_will_do_too(
    in_sub_folder: Project, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(in_sub_folder.folder)
    call("compare", "main", "workspace")
    assert "| batch_size=16 | 1 |" in capsys.readouterr().out
    call("comment", "--against", "main", "--plots", "plots-of-both")
    assert "| `recipes.scratch.batch_size` | `16` | `8` |" in capsys.readouterr().out
    assert (in_sub_folder.folder / "plots-of-both/target-confusion.png").is_file()
    with pytest.raises(UserError, match="main~1: this revision does not have the project's folder"):
        revisions.read_run("main~1")


def test_what_is_not_there_is_told_and_the_committed_metrics_are_compared(
    here: Project, capsys
) -> None:
    with pytest.raises(UserError, match="no revision or experiment 'othr'"):
        call("compare", "main", "othr")
    with pytest.raises(UserError, match="no revision or experiment 'othr'"):
        call("comment", "--against", "othr")
    cache = here.folder / ".dvc/cache"
    cache.rename(here.folder / "away")
    try:
        call("comment", "--against", "main")
        text = capsys.readouterr().out
        before = json.loads(here.git("show", "main:metrics/test.json"))
        assert f"| AUROC | {before['auroc']:.3f} | " in text
        assert "are neither in DVC's cache nor in a remote" in text
        assert "| `recipes.scratch.batch_size` | `16` | `8` |" in text
        # The experiment's and the commit's are gone: what is named is needed, what is not is left.
        with pytest.raises(UserError, match="nothing to compare"):
            call("compare")
    finally:
        (here.folder / "away").rename(cache)


@pytest.mark.parametrize(
    ("stage", "output"),
    [("train", "models/simple_cnn"), ("evaluate", "data/predictions.csv")],
)
def test_results_of_another_network_are_refused(here: Project, stage: str, output: str) -> None:
    lock = here.read("dvc.lock")
    yaml = YAML()
    content = yaml.load(lock)
    # As it is where training ran again, and then nothing did.
    (out,) = (out for out in content["stages"][stage]["outs"] if out["path"] == output)
    out["md5"] = "0" * 32 + ".dir"
    yaml.dump(content, here.folder / "dvc.lock")
    after = "evaluate" if stage == "train" else "gradcam"
    try:
        with pytest.raises(UserError, match=f"stage {after} has not run since"):
            revisions.read_run("workspace", ("evaluate", "gradcam"))
        if after == "gradcam":
            # Whose results are not asked for.
            assert revisions.read_run("workspace").evaluation_code
    finally:
        (here.folder / "dvc.lock").write_text(lock)


@pytest.mark.usefixtures("no_credentials")
def test_a_remote_that_cannot_be_asked_is_one_line(here: Project) -> None:
    local, cache = here.folder / ".dvc/config.local", here.folder / ".dvc/cache"
    here.dvc("remote", "add", "--local", "--default", "store", "s3://bucket/store")
    cache.rename(here.folder / "away")
    try:
        with pytest.raises(UserError, match="Unable to locate credentials") as caught:
            revisions.read_run("main")
        assert str(caught.value).startswith("main: data/predictions.csv is not in DVC's cache")
        assert "\n" not in str(caught.value)
    finally:
        (here.folder / "away").rename(cache)
        local.unlink()


def test_outside_of_a_repository_is_one_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for ask in (revision_files.experiment_names, lambda: revisions.read_run("main")):
        with pytest.raises(UserError, match="not a DVC repository"):
            ask()


def test_the_origin_is_the_code_and_the_inbox_and_nothing_that_a_stage_made() -> None:
    def origin(code="1", inbox=("data/inbox", "2"), pixels="3", other="4") -> str:
        def deps(*found):
            return [{"path": path, "md5": md5} for path, md5 in found]

        stages = {
            "download": {"deps": deps(("stages/download", "0"), inbox)},
            "prepare": {
                "deps": deps(("stages/prepare", "0")),
                "outs": deps(("data/pixels.npy", pixels)),
            },
            "train": {"deps": deps(("stages/train", code), ("data/pixels.npy", pixels))},
            "evaluate": {"deps": deps(("stages/evaluate", other))},
        }
        return revisions.hash_sources({"stages": stages})

    assert origin(pixels="9", other="9", inbox=("/data/inbox", "2")) == origin()
    assert origin(code="9") != origin()
    assert origin(inbox=("data/inbox", "9")) != origin()


def test_a_model_that_was_not_evaluated_is_refused() -> None:
    lock = {"stages": {"train": {"outs": [{"path": "models/a", "md5": "1"}]}}}
    revisions.check_up_to_date("main", ["train"], lock)
    with pytest.raises(UserError, match="stage evaluate has not run"):
        revisions.check_up_to_date("main", ["train", "evaluate"], lock)


def test_the_code_that_measures_is_that_of_evaluate_and_gradcam() -> None:
    def deps(*paths: str) -> dict[str, object]:
        return {"deps": [{"path": path, "md5": path[-1]} for path in paths]}

    stages = {
        "train": deps("stages/train"),
        "evaluate": deps("stages/evaluate", "data/split.csv"),
        "gradcam": deps("stages/gradcam", "models/a"),
    }
    found = revisions.evaluation_code({"stages": stages})
    assert found == {"stages/evaluate": "e", "stages/gradcam": "m"}
