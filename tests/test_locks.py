"""What is committed beside the code belongs to it."""

import json
import re

from tests.closure import ROOT
from tests.project import Project

PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", re.M)


def test_the_committed_lock_belongs_to_the_code_and_settings() -> None:
    status = json.loads(Project(ROOT).dvc("status", "--json"))
    stale = {
        f"{stage}: {name}"
        for stage, changes in status.items()
        for change in changes
        if isinstance(change, dict)
        for name, what in change.get("changed deps", {}).items()
        if name == "params.yaml" or (name.startswith("stages/") and what != "deleted")
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
