"""The commands of the README, run in its order as a reader would, in a small project."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from cxr.pipeline.params import Params
from tests.helpers.closure import ROOT
from tests.helpers.project import Project, environment

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Commands that need what is not here.
ELSEWHERE = {
    "make test": "is what runs this",
    "srun ": "a cluster",
    "dvc commit train@resnet50": "what the cluster wrote",
    "--require-hashes": "minutes of installing",
}
# Small stand-ins: for networks, and for what a reader has.
STAND_INS = {
    "resnet18": "simple_cnn",
    "/path/to/my/xrays": "own",
    "/path/to/mobilenetv2.safetensors": "weights.safetensors",
    "mobilenetv2": "other",
    "/path/to/a/shared/folder": "../remote",
    "epochs: 20": "epochs: 2",
    # It is read and put into the queue; tests/test_dag.py runs experiments.
    "dvc exp run -S": "dvc exp run --queue -S",
    'MODELS="simple_cnn other"': "MODELS=simple_cnn",
}


def commands() -> Iterator[str]:
    """What stands behind a `$` in the README's console blocks, with its continuation lines."""
    for block in re.findall(r"^```console\n(.*?)^```", README, re.M | re.S):
        for command in re.findall(r"^\$ ((?:.*\\\n)*.*)$", block, re.M):
            yield re.sub(r"\s+#.*$", "", command)


@pytest.fixture(scope="module")
def project(reproduced: tuple[Project, str], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny project reproduced, with all that the commands ask for."""
    project = reproduced[0].copy(tmp_path_factory.mktemp("readme") / "project")
    raw = sorted((project.folder / "data/raw/images").glob("*.png"))
    for number, image in enumerate(raw[:48]):
        place = project.folder / "own" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, place)
    (project.folder / "folder").mkdir()
    for place in ("scan.png", "folder/holiday.png"):
        shutil.copy(raw[0], project.folder / place)
    # An environment that is there already.
    (project.folder / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (project.folder / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    (project.folder / ".venv/installed").touch()
    return project


@pytest.mark.slow
def test_each_command_runs(project: Project) -> None:
    ran = 0
    for command in commands():
        if any(words in command for words in ELSEWHERE):
            continue
        for name, stand_in in STAND_INS.items():
            command = command.replace(name, stand_in)
        if "--queue" in command:
            command += " && dvc queue remove --queued"
        result = subprocess.run(
            ["bash", "-euc", command],
            cwd=project.folder, env=environment(), capture_output=True, text=True,
        )  # fmt: skip
        assert result.returncode == 0, f"$ {command}\n{result.stdout}{result.stderr}"
        ran += 1
    assert ran > 12


def test_the_commands_of_the_table_name_settings_that_there_are() -> None:
    named = re.findall(r"`dvc exp run ([^`]+)`", README)
    assert len(named) >= 5
    for command in named:
        for setting in re.findall(r"-S (\S+=\S+)", command):
            key, values = setting.split("=")
            for value in values.split(",") if key == "model" else [values]:
                check(key, value)


def check(key: str, value: str) -> None:
    """Set a dotted key to what YAML makes of a text, and validate all."""
    yaml = YAML(typ="safe")
    content = place = yaml.load(ROOT / "params.yaml")
    *parents, last = key.split(".")
    for parent in parents:
        place = place[parent]
    assert last in place
    place[last] = yaml.load(value)
    params = Params.model_validate(content)
    assert params.model in params.architectures


def test_pictures_and_files_that_it_names_are_there() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", README):
        assert (ROOT / target).is_file(), target
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", README, re.M)
    }
    for target in re.findall(r"\]\(#([^)]+)\)", README):
        assert target in anchors, target
