"""What is committed beside the code belongs to it."""

import json
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from ruamel.yaml import YAML

from tests.helpers.closure import ROOT, imports
from tests.helpers.project import Project

PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", re.M)
REQUIREMENTS = {
    "requirements.lock": ["requirements.txt"],
    "requirements-dev.lock": ["requirements.txt", "requirements-dev.txt"],
}


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


def pins(name: str) -> set[tuple[str, str]]:
    """Packages and versions in a file of requirements."""
    found = PINNED.findall((ROOT / name).read_text(encoding="utf-8"))
    return {(normalized(package), version) for package, version in found}


def normalized(package: str) -> str:
    return re.sub(r"[._-]+", "-", package).lower()


@pytest.mark.parametrize("lock", REQUIREMENTS)
def test_a_lock_holds_the_pinned_versions_with_the_hashes_of_every_platform(lock: str) -> None:
    for name in REQUIREMENTS[lock]:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        assert len(pins(name)) == sum(1 for line in lines if line and line[0] != "#")
        assert pins(name) <= pins(lock), "run `make lock`"
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text, "where it was resolved"
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.M)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
    (torch,) = (entry for entry in entries if entry.startswith("torch=="))
    assert torch.count("--hash=sha256:") > 10


def test_tests_run_with_the_versions_that_running_has() -> None:
    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_all_that_stages_and_commands_import_is_required_and_no_more() -> None:
    distributions = packages_distributions()
    used = {
        name.split(".")[0]
        for top in ("cxr", "stages")
        for path in (ROOT / top).rglob("*.py")
        for name in imports(path.relative_to(ROOT))
    }
    used -= sys.stdlib_module_names | {"cxr", "stages"}
    wanted = {normalized(package) for name in used for package in distributions[name]}
    required = {package for package, _ in pins("requirements.txt")}
    # Only for the backend of that name, whose user is told what to install.
    assert wanted - required == {"dask"}
    # pip, torch, pandas and timm load these.
    assert required - wanted == {"setuptools", "onnxscript", "openpyxl", "torchvision"}


def test_the_version_is_the_same_wherever_it_stands() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = YAML(typ="safe").load(ROOT / "CITATION.cff")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d.*)\] - (.+)$", changelog, re.M)
    assert newest is not None
    assert newest.groups() == (project["version"], str(citation["date-released"]))
    assert citation["version"] == project["version"]
