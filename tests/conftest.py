from pathlib import Path

import pytest

from tests.project import Project


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """A project after its first `dvc repro`, committed, and what that printed."""
    project = Project.create(tmp_path_factory.mktemp("project"))
    output = project.dvc("repro")
    project.commit("Reproduce")
    return project, output


@pytest.fixture
def project(reproduced: tuple[Project, str], tmp_path: Path) -> Project:
    return reproduced[0].copy(tmp_path / "copy")


@pytest.fixture(scope="session")
def changed(reproduced: tuple[Project, str], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after an experiment, whose results lie in the workspace, not committed."""
    project = reproduced[0].copy(tmp_path_factory.mktemp("changed") / "copy")
    project.dvc("exp", "run", "--name", "other", "-S", "train.batch_size=8")
    return project
