"""The command line as a user meets it: help, mistakes, and that both come at once."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cxr.commands import cli
from tests.helpers.closure import ROOT

NAMES = ["comment", "compare", "crossval", "export", "find-lr", "metrics", "predict"]


def run(*words: str, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import cxr.__main__ as start; start.main()"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *words], cwd=cwd, capture_output=True, text=True
    )


def test_help_names_every_command_and_takes_less_than_half_a_second() -> None:
    start = time.perf_counter()
    result = run("--help")
    took = time.perf_counter() - start
    assert result.returncode == 0
    listed = result.stdout.split("Commands:\n")[1].splitlines()
    assert [line.split()[0] for line in listed] == NAMES
    assert not [line for line in listed if line.endswith("...")], "cut off"
    assert took < 0.5


@pytest.mark.parametrize("name", NAMES)
def test_each_command_explains_itself(name: str) -> None:
    command = cli.cxr.commands[name]
    assert command.help
    assert all(option.help for option in command.params if option.param_type_name == "option")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["predikt"], "No such command 'predikt'. Did you mean 'predict'?"),
        (["predict", "--model", "m"], "Missing argument 'IMAGE...'"),
        (["predict", "x.png", "--model", "m", "--sensitivity", "2"], "not in the range 0<x<=1"),
        (["compare", "--by", "luck"], "is not one of 'balanced_accuracy'"),
    ],
)
def test_wrong_usage_is_told_with_exit_code_2(words: list[str], complaint: str) -> None:
    result = run(*words)
    assert result.returncode == 2
    assert complaint in result.stderr


@pytest.mark.parametrize(
    "words", [("crossval", "--out"), ("compare", "--out"), ("find-lr", "--plots")]
)
def test_a_file_in_the_place_of_results_is_told_at_once(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    result = run(*words, "file", cwd=tmp_path)
    assert result.returncode == 2
    assert "Directory 'file' is a file" in result.stderr


def test_a_mistake_of_the_user_is_one_line_with_exit_code_1(tmp_path: Path) -> None:
    result = run("metrics", "audit", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == (
        "error: metrics/details/audit.json is missing: `dvc repro` writes it, `dvc checkout` or "
        "`dvc pull` fetch it.\n"
    )


def test_the_projects_files_are_found_from_any_folder_in_it(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "metrics/details").mkdir(parents=True)
    (tmp_path / "plots" / "evaluate").mkdir(parents=True)
    content = {
        "images": 5, "groups": 3, "accuracy": 0.5, "auroc": None, "operating_point": None,
        "interval": {"accuracy": {"low": 0.25, "high": 0.75}, "auroc": {"low": None, "high": None}},
    }  # fmt: skip
    (tmp_path / "metrics/details/test.json").write_text(json.dumps(content))
    for folder in (tmp_path, tmp_path / "plots" / "evaluate"):
        printed = run("metrics", "overall", cwd=folder).stdout
        rows = [" ".join(line.split()) for line in printed.splitlines()]
        assert rows[0] == "5 test images of 3 patients or single images"
        assert "accuracy 0.500 (0.250 to 0.750)" in rows
        assert "AUROC –" in rows
