"""Run stages in sequence in one process, in a folder, without DVC."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.helpers.closure import ROOT

DATA = {
    "download": ["downloads=downloads", "raw=raw", "index=index.csv"],
    "prepare": [
        "raw=raw", "index=index.csv", "store=store",
        "pixels=pixels.npy", "thumbnails=thumbnails.npy", "masks=masks.npy", "lesions=lesions.npy",
        "images=images.csv",
    ],
    "dedupe": [
        "raw=raw", "images=images.csv", "thumbnails=thumbnails.npy", "pairs=pairs.csv",
        "duplicates=duplicates.csv", "details=dedupe.json", "plots=plots-dedupe",
        "earlier=earlier.npz",
    ],
    "split": [
        "images=images.csv", "pairs=pairs.csv", "duplicates=duplicates.csv", "pixels=pixels.npy",
        "split=split.csv", "metrics=data.json", "details=split.json", "plots=plots-split",
    ],
}  # fmt: skip
"""The stages that make the data, each with its options."""
# In one process, because starting Python takes longer than the stages.
RUN = """
import json, runpy, sys
for name, *sys.argv[1:] in json.loads(sys.argv[1]):
    runpy.run_module(f"stages.{name}", run_name="__main__", alter_sys=True)
"""


def run_stages(
    folder: Path,
    stages: dict[str, list[str]],
    variables: dict[str, str],
    then: str = "",
    emulator: tuple[str, ...] = (),
) -> str:
    """Run stages in a folder with a params.yaml; return their output.

    Args:
        variables: of the environment.
        then: code that runs after the stages in the same process.
        emulator: the command that runs Python.
    """
    commands = [
        [stage, "--params", "params.yaml", *(word for path in paths for word in option(path))]
        for stage, paths in stages.items()
    ]
    words = [*emulator, sys.executable, "-c", RUN + then, json.dumps(commands)]
    return run_python(words, folder, variables)


def option(path: str) -> list[str]:
    """`name=path` as an option of a stage."""
    name, place = path.split("=")
    return [f"--{name}", place]


def run_python(words: list[str], folder: Path, variables: dict[str, str]) -> str:
    """Run a command with this checkout on the Python path; return its output."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    result = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def file_hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file in a folder, by path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
