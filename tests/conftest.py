from cxr.pipeline.environment import configure

configure()

from pathlib import Path

import pytest

from tests.helpers.project import Project


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


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This machine may read no bucket of S3."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
