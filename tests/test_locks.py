"""What is committed beside the code belongs to it."""

import json
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.closure import ROOT
from tests.helpers.project import Project

PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", re.M)


def test_the_committed_lock_belongs_to_the_code_and_settings() -> None:
    status = json.loads(Project(ROOT).dvc("status", "--json"))
    stale = {
        f"{stage}: {name}"
        for stage, changes in status.items()
        for change in changes
        if isinstance(change, dict)
        for name, what in change.get("changed deps", {}).items()
        if name == "params.yaml" or (name.startswith(("stages/", "cxr/")) and what != "deleted")
    }
    assert not stale, "run `dvc repro` and commit dvc.lock"


def versions(name: str) -> dict[str, str]:
    """Package to version, in a file of requirements."""
    found = PINNED.findall((ROOT / name).read_text(encoding="utf-8"))
    return {re.sub(r"[._-]+", "-", package).lower(): version for package, version in found}


def test_the_lock_of_the_environment_holds_the_versions_of_the_requirements_with_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    wanted, locked = versions("requirements.txt"), versions("requirements.lock")
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert len(wanted) == sum(1 for line in lines if line and line[0] != "#"), "one is not pinned"
    assert wanted.items() <= locked.items(), "run `make lock`"
    entries = re.split(r"^(?=[a-z0-9])", lock, flags=re.M)[1:]
    assert len(entries) == len(locked)
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in lock, "where it was resolved"


@pytest.fixture
def locking(tmp_path: Path) -> Path:
    """A folder to `make lock` in, where pip finds one package, or fails if `fails` is there."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / "requirements.lock").write_text("before\n")
    archive = {"archive_info": {"hashes": {"sha256": "0f"}}}
    found = {
        "install": [{"metadata": {"name": "One.two", "version": "3"}, "download_info": archive}]
    }
    (tmp_path / "found.json").write_text(json.dumps(found))
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = -c ] && exec {sys.executable} "$@"\n'
        "[ ! -e fails ] || exit 1\n"
        'while [ "$1" != --report ]; do shift; done\n'
        'cp found.json "$2"\n'
    )
    python.chmod(0o755)
    (tmp_path / ".venv/installed").touch()
    return tmp_path


def make_lock(folder: Path) -> int:
    return subprocess.run(["make", "--silent", "lock"], cwd=folder, capture_output=True).returncode


def test_the_lock_of_the_environment_says_where_it_was_resolved(locking: Path) -> None:
    assert make_lock(locking) == 0
    first, *_, last = (locking / "requirements.lock").read_text().splitlines()
    assert first.endswith(
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}."
    )
    assert last == "one-two==3 --hash=sha256:0f"
    assert not list(locking.glob(".*.part"))


@pytest.mark.parametrize("broken", ["fails", "found.json"])
def test_a_lock_that_fails_leaves_the_one_before(locking: Path, broken: str) -> None:
    (locking / broken).write_text("{}")
    assert make_lock(locking) != 0
    assert (locking / "requirements.lock").read_text() == "before\n"
