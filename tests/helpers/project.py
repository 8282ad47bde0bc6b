"""A small copy of this project in its own git repository, in which tests run the real `dvc`."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from tests.helpers.closure import ROOT

# Networks and images small enough for a whole run in well under a minute.
TINY = {
    "model": "simple_cnn",
    "architectures.other": {"timm": "test_resnet", "lr_factor": 0.1, "drop_rate": 0.0},
    "cpu.threads": 1,
    "phantom.patients": 40,
    "prepare.image_size": 64,
    "split.folds": 4,
    "recipes.scratch.epochs": 1,
    "recipes.scratch.batch_size": 16,
    "evaluate.resamples": 100,
    "gradcam.images_per_split": 12,
    "gradcam.perturbed_per_split": 4,
    "gradcam.examples_per_class": 1,
}


def environment() -> dict[str, str]:
    """Environment variables: one thread, no network access, programs of this Python environment."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    quiet = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "DVC_NO_ANALYTICS": "1"}
    # The command `cxr` is this code, whatever checkout the environment was made for.
    return {**os.environ, **quiet, "PATH": path, "PYTHONPATH": str(ROOT)}


class Project:
    """A git and DVC repository in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, folder: Path) -> "Project":
        """Copy what git tracks or would track here, with tiny settings; commit it."""
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
        for name in listed.stdout.splitlines():
            if name != "dvc.lock" and (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, folder / name)
        project = cls(folder)
        project.set(**TINY)
        project.git("init", "-q", "-b", "main")
        project.git("config", "user.name", "test")
        project.git("config", "user.email", "test@example.org")
        project.commit("Start")
        return project

    def copy(self, folder: Path) -> "Project":
        """The repository with all outputs and its cache in another folder."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)

    def clone(self, folder: Path) -> "Project":
        """A git clone in another folder: what is committed, with an empty cache."""
        self.git("clone", "-q", str(self.folder), str(folder))
        return Project(folder)

    def git(self, *words: str) -> str:
        result = subprocess.run(
            ["git", *words], cwd=self.folder, check=True, capture_output=True, text=True
        )
        return result.stdout

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def dvc(self, *words: str, fails: bool = False) -> str:
        """Run dvc with `environment`; return its output (stdout and stderr)."""
        result = subprocess.run(
            [sys.executable, "-m", "dvc", *words],
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert (result.returncode != 0) == fails, result.stdout
        return result.stdout

    def ran(self, output: str) -> list[str]:
        """The stages that ran, according to DVC's output."""
        return re.findall(r"^Running stage '(.+)'", output, re.M)

    def set(self, **changes: object) -> None:
        """Change dotted keys of params.yaml."""
        yaml = YAML()
        content = yaml.load(self.folder / "params.yaml")
        for key, value in changes.items():
            *parents, last = key.split(".")
            place = content
            for parent in parents:
                place = place[parent]
            place[last] = value
        yaml.dump(content, self.folder / "params.yaml")

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def outputs(self) -> dict[str, bytes]:
        """All outputs of all stages, except the empty result of `check`."""
        tops = ("data", "metrics", "plots", "models", "report")
        files = [path for top in tops for path in sorted((self.folder / top).rglob("*"))]
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in files
            if path.is_file() and path.name != ".checked"
        }
