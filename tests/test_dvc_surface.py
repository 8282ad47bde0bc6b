"""What DVC shows of the project and does with it: metrics, experiments, going back, artifacts."""

import json
import os
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from dvc.utils.hydra import apply_overrides

from tests.helpers.closure import ROOT
from tests.helpers.project import Project

DROPPED = ".*(/|_low|_high|precision|specificity|mcc|brier|ece|floor|changes|random).*"
"""The columns that docs/experiments.md drops from the table of experiments."""


def flat(metrics: dict[str, object]) -> bool:
    return all(value is None or isinstance(value, int | float) for value in metrics.values())


def test_there_are_at_most_30_headline_metrics_each_of_them_in_git(
    reproduced: tuple[Project, str],
) -> None:
    project, _ = reproduced
    shown = json.loads(project.dvc("metrics", "show", "--json"))[""]["data"]
    contents = {path: content["data"] for path, content in shown.items()}
    assert set(contents) == {
        f"metrics/{name}.json" for name in ("data", "test", "audit", "gradcam")
    }
    assert all(flat(content) for content in contents.values())
    assert sum(map(len, contents.values())) <= 30
    tracked = project.git("ls-files", "metrics", "plots").splitlines()
    assert set(contents) < set(tracked)
    # In git, small; pictures and details are in DVC's cache.
    assert {Path(path).suffix for path in tracked if not path.endswith(".gitignore")} == {
        ".json",
        ".csv",
    }
    assert not any(path.startswith("metrics/details/") for path in tracked if "ignore" not in path)


def test_a_clone_without_a_cache_compares_two_commits(changed: Project, tmp_path: Path) -> None:
    changed.copy(tmp_path / "origin")
    origin = Project(tmp_path / "origin")
    origin.commit("Smaller batches")
    clone = origin.clone(tmp_path / "clone")
    assert not (clone.folder / ".dvc/cache").exists()
    shown = json.loads(clone.dvc("metrics", "show", "--json"))[""]["data"]
    assert len(shown) == 4
    diff = json.loads(clone.dvc("metrics", "diff", "HEAD~1", "--json"))
    both = [change for content in diff.values() for change in content.values()]
    assert both
    assert all({"old", "new"} <= set(change) for change in both)
    params = json.loads(clone.dvc("params", "diff", "HEAD~1", "--json"))
    assert params == {
        "params.yaml": {"recipes.scratch.batch_size": {"old": 16, "new": 8, "diff": -8}}
    }
    clone.dvc("plots", "diff", "HEAD~1", "--targets", "plots/curves/confusion.csv")
    page = (clone.folder / "dvc_plots/index.html").read_text()
    assert '"rev": "HEAD~1"' in page
    assert '"rev": "workspace"' in page
    # The curves are shown even though the pictures are missing.
    assert "failed to load some plots" in clone.dvc("plots", "diff", "HEAD~1")
    page = clone.read("dvc_plots/index.html")
    for name in ("epochs", "confusion", "roc", "precision_recall", "reliability"):
        assert re.search(rf"plots_(curves_)?{name}", page), name


def test_the_diff_of_a_pull_request_has_at_most_40_rows(changed: Project) -> None:
    rows = changed.dvc("metrics", "diff", "main", "--all").splitlines()[1:]
    assert 20 < len(rows) <= 40
    table = {row.split()[1]: row.split()[2:] for row in rows}
    old, new, change = map(float, table["auroc"])
    # DVC prints five decimals.
    assert new - old == pytest.approx(change, abs=2e-5)
    assert change != 0


def test_the_table_of_experiments_fits_200_columns(
    changed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "COLUMNS", "200")
    show = ("exp", "show", "--only-changed", "--no-pager", "--drop", DROPPED)
    table = changed.dvc(*show)
    assert "…" not in table
    assert max(map(len, table.splitlines())) <= 200
    header = next(line for line in table.splitlines() if "Experiment" in line)
    # A tiny network's other scores may be the same in both runs.
    assert {"auroc", "recipes.scratch.batch_size"} <= set(header.split())


def test_dvc_exp_run_changes_no_line_of_params_but_the_setting(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text()
    copy = tmp_path / "params.yaml"
    copy.write_text(text)
    apply_overrides(str(copy), ["model=resnet50"])
    expected = text.replace("\nmodel: resnet18\n", "\nmodel: resnet50\n")
    # DVC loses what follows a list: no comment may stand there, only an empty line.
    assert lines(copy.read_text()) == lines(expected)


def lines(text: str) -> list[str]:
    """The lines of a text that are not empty."""
    return [line for line in text.splitlines() if line]


@pytest.mark.slow
def test_coming_back_runs_nothing(project: Project) -> None:
    for there, back in (
        (("model=other",), ("model=simple_cnn",)),
        (("split.fold=1",), ("split.fold=0",)),
        (("phantom.marker_probability=1.0",), ("phantom.marker_probability=0.0",)),
    ):
        before = project.outputs()
        ran = project.ran(
            project.dvc("exp", "run", *(word for key in there for word in ("-S", key)))
        )
        assert {"train", "evaluate"} <= set(ran)
        assert project.outputs() != before
        output = project.dvc("exp", "run", *(word for key in back for word in ("-S", key)))
        assert project.ran(output) == []
        after = project.outputs()
        assert {path: after[path] for path in before} == before


def refused(project: Project, *settings: str) -> str:
    """Run an experiment that is refused; its error, which is one line."""
    words = (word for setting in settings for word in ("-S", setting))
    output = project.dvc("exp", "run", *words, fails=True)
    assert "Traceback" not in output
    assert "exited with 1" in output
    hint = "To go back to the results of the last commit: git checkout params.yaml && dvc repro"
    assert f"\n{hint}\n" in output
    (error,) = [line for line in output.splitlines() if line.startswith("error: ")]
    return error


def go_back(project: Project) -> None:
    """Do what the error says. It takes the results from the cache."""
    project.git("checkout", "params.yaml")
    assert project.ran(project.dvc("repro")) == []


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("recipes.scratch.epochs=abc", "recipes.scratch.epochs: 'abc' is invalid"),
        ("model=simple_cnm", "model: 'simple_cnm' is not under `architectures:`"),
        ("recipe=finetun", "recipe: 'finetun' is not under `recipes:` (did you mean 'finetune'?)"),
    ],
)
def test_a_setting_that_is_refused_loses_nothing(
    project: Project, setting: str, words: str
) -> None:
    before = project.outputs()
    assert words in refused(project, setting)
    assert project.outputs() == before


@pytest.mark.parametrize("committed", [True, False])
def test_after_a_stage_that_fails_what_its_error_says_brings_everything_back(
    project: Project, committed: bool
) -> None:
    if not committed:
        # As right after the first `dvc repro`.
        project.git("reset", "-q", "HEAD~1")
    before = project.outputs()
    assert "one sub-folder for each class" in refused(project, "dataset=folder")
    go_back(project)
    assert project.outputs() == before
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        Thread(target=server.serve_forever).start()
        mirror = f"download.mirror=http://127.0.0.1:{server.server_port}"
        error = refused(project, "dataset=chest4_tb", mirror)
        server.shutdown()
    assert "put the file into the inbox as chest4_tb.zip" in error
    go_back(project)
    assert project.outputs() == before
    for name in ("damaged/ill", "damaged/well"):
        folder = project.folder / name
        folder.mkdir(parents=True)
        (folder / "image.png").write_text("no image")
    # download has written another index before prepare fails.
    assert "none of the 2 images" in refused(project, "dataset=folder", "inbox=damaged")
    assert "damaged" not in project.read("data/index.csv")
    go_back(project)
    assert project.outputs() == before
    assert project.ran(project.dvc("repro")) == []


def test_a_model_and_a_split_can_be_fetched_from_another_repository(
    reproduced: tuple[Project, str], tmp_path: Path
) -> None:
    project, _ = reproduced
    # DVC's registry finds the version by such a tag.
    project.git("tag", "--annotate", "--message", "First", "network@v1.0.0")
    other = Project(tmp_path)
    other.git("init", "-q")
    other.dvc("init", "-q")
    source = str(project.folder)
    other.dvc("artifacts", "get", source, "network", "--out", "network")
    other.dvc("get", source, "models/simple_cnn", "--out", "model")
    other.dvc("import", source, "data/split.csv")
    weights = project.folder / "models/simple_cnn/model.safetensors"
    for folder in ("network", "model"):
        assert (tmp_path / folder / "model.safetensors").read_bytes() == weights.read_bytes()
    assert other.read("split.csv") == project.read("data/split.csv")
