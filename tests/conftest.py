from cxr.pipeline.environment import configure

configure()

from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.helpers.project import Project


@pytest.fixture(scope="session")
def made_once(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Callable[[str, Callable[[Path], None]], Path]:
    """Let one of pytest's worker processes make a folder; the others wait for it.

    Returns:
        A function of the folder's name and of what makes it. It gives the folder that all share,
        which no test may change.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def make(name: str, maker: Callable[[Path], None]) -> Path:
        folder, ready = shared / name, shared / f"{name}.ready"
        with FileLock(shared / f"{name}.lock"):
            if not ready.exists():
                maker(folder)
                ready.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def reproduced(
    made_once: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, str]:
    """A project after its first `dvc repro`, committed, and what that printed."""

    def reproduce(folder: Path) -> None:
        project = Project.create(folder / "project")
        (folder / "output").write_text(project.dvc("repro"), encoding="utf-8")
        project.commit("Reproduce")

    folder = made_once("reproduced", reproduce)
    project = Project(folder / "project").copy(tmp_path_factory.mktemp("reproduced") / "copy")
    return project, (folder / "output").read_text(encoding="utf-8")


@pytest.fixture
def project(reproduced: tuple[Project, str], tmp_path: Path) -> Project:
    return reproduced[0].copy(tmp_path / "copy")


@pytest.fixture(scope="session")
def changed(
    reproduced: tuple[Project, str],
    made_once: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Project:
    """The project after an experiment, whose results lie in the workspace, not committed."""

    def experiment(folder: Path) -> None:
        project = reproduced[0].copy(folder)
        project.dvc("exp", "run", "--name", "other", "-S", "recipes.scratch.batch_size=8")

    folder = made_once("changed", experiment)
    return Project(folder).copy(tmp_path_factory.mktemp("changed") / "copy")


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This machine may read no bucket of S3."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
