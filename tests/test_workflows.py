"""What the workflows may do with this repository, and with a stranger's pull request."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from cxr.commands.comment.sections import MARKER
from tests.helpers.closure import ROOT
from tests.helpers.project import Project, environment

FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
WORKFLOWS = {path.name: YAML(typ="safe").load(path) for path in FILES}
JOBS = [
    pytest.param(workflow, job, id=f"{name}-{job_name}")
    for name, workflow in WORKFLOWS.items()
    for job_name, job in workflow["jobs"].items()
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit(path):
    used = re.findall(r"uses:\s*(.+)", path.read_text())
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_secret_and_no_text_of_a_stranger_reaches_a_command(path):
    text = path.read_text()
    assert "pull_request_target" not in text
    assert "secrets" not in text
    for job in WORKFLOWS[path.name]["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")


def test_the_tests_run_on_every_python_that_the_project_is_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [name.rpartition(" :: ")[2] for name in project["classifiers"] if "Python" in name]
    matrix = WORKFLOWS["tests.yml"]["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == names
    assert project["requires-python"] == f">={names[0]}"


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_code_that_is_checked_out_finds_no_token_beside_it(workflow, job):
    for step in job["steps"]:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_code_of_a_pull_request_runs_without_the_right_to_write(workflow, job):
    permissions = job.get("permissions", workflow["permissions"])
    assert set(permissions.values()) <= {"read", "write"}
    if any(step.get("uses", "").startswith("actions/checkout@") for step in job["steps"]):
        assert permissions == {"contents": "read"}
    else:
        assert permissions == {"pull-requests": "write"}
        own = "github.event.pull_request.head.repo.full_name == github.repository"
        assert job["if"] == f"!cancelled() && {own}"


def comment_step():
    (step,) = (
        step for step in WORKFLOWS["pull-request.yml"]["jobs"]["comment"]["steps"] if "run" in step
    )
    return step["run"]


def run_comment_step(folder, listed, status=0):
    """Run the step as it is, with a `gh` that lists these comments or fails to.

    Returns:
        its exit status, and how `gh` was called.
    """
    (folder / "comment.md").write_text(f"{MARKER}\n\ntext\n")
    gh = folder / "gh"
    gh.write_text(
        "#!/bin/sh\n"
        'echo "$marker: $@" >> calls\n'
        f'case "$*" in *--paginate*) printf "{listed}"; exit {status};; esac\n'
    )
    gh.chmod(0o755)
    result = subprocess.run(
        ["bash", "-e", "-c", comment_step()],
        cwd=folder,
        env={"PATH": f"{folder}:/usr/bin:/bin", "GH_REPO": "owner/name", "NUMBER": "3"},
    )
    return result.returncode, (folder / "calls").read_text().splitlines()


@pytest.mark.parametrize("listed", ["", "17\\n", "17\\n18\\n"])
def test_the_comment_is_written_once_and_then_updated(tmp_path, listed):
    status, (look, write) = run_comment_step(tmp_path, listed)
    assert status == 0
    assert look.startswith(f"{MARKER}: api --paginate repos/owner/name/issues/3/comments")
    assert write.removeprefix(f"{MARKER}: ") == (
        "api --silent --method PATCH repos/owner/name/issues/comments/17 --field body=@comment.md"
        if listed
        else "pr comment 3 --body-file comment.md"
    )


def test_where_comments_cannot_be_listed_none_is_written(tmp_path):
    status, calls = run_comment_step(tmp_path, "", status=1)
    assert status != 0
    assert len(calls) == 1


class Runner:
    """A checkout of the merge commit of a pull request, where the job that reproduces is run."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.project = Project(folder / "checkout")
        self.folder = folder
        # As actions/checkout does with fetch-depth: 2.
        project.git(
            *("clone", "-q", "--depth", "2", "--branch", "merge"),
            *(f"file://{project.folder}", str(self.project.folder)),
        )
        make = folder / "bin/make"
        make.parent.mkdir()
        make.write_text("#!/bin/sh\n")
        make.chmod(0o755)

    def job(self, event: str) -> list[str]:
        """Run the steps as they are; what each prints."""
        steps = WORKFLOWS["pull-request.yml"]["jobs"]["reproduce"]["steps"]
        conditions = {None, f"github.event_name == '{event}'"}
        return [
            self.run(step["run"])
            for step in steps
            if "run" in step and step.get("if") in conditions
        ]

    def run(self, command: str) -> str:
        known = environment()
        result = subprocess.run(
            ["bash", "-e", "-c", command],
            cwd=self.project.folder,
            env={
                **known,
                "PATH": f"{self.folder / 'bin'}:{known['PATH']}",
                "GITHUB_PATH": str(self.folder / "path"),
                "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
                "GITHUB_SHA": self.project.git("rev-parse", "origin/merge").strip(),
                "GITHUB_SERVER_URL": "https://host",
                "GITHUB_REPOSITORY": "owner/name",
                "GITHUB_RUN_ID": "5",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert result.returncode == 0, result.stdout
        return result.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("no_credentials")
def test_the_change_is_pulled_reproduced_compared_and_checked(
    project: Project, tmp_path: Path
) -> None:
    project.dvc("remote", "add", "--default", "store", str(tmp_path / "store"))
    project.commit("Name a remote")
    project.dvc("push", "--run-cache")
    project.git("switch", "-q", "--create", "change")
    project.set(**{"gpu.when_busy": "cpu"})
    project.dvc("repro")
    project.commit("Change")
    # The target branch has moved on since.
    project.git("switch", "-q", "main")
    project.git("commit", "-q", "--allow-empty", "-m", "Move on")
    project.git("switch", "-q", "--create", "merge")
    project.git("merge", "-q", "--no-ff", "-m", "Merge", "change")

    runner = Runner(project, tmp_path)
    _, change, _, check = runner.job("pull_request")
    assert "files fetched" in change
    assert runner.project.ran(change) == []
    # The committed results are those of the code.
    assert check == ""
    assert runner.project.git("rev-parse", "target") == project.git("rev-parse", "main")
    comment = runner.project.read("pull-request/comment.md")
    assert comment == (tmp_path / "summary").read_text()
    assert "| `gpu.when_busy` | `wait` | `cpu` |" in comment
    assert comment.splitlines()[-1].endswith("(https://host/owner/name/actions/runs/5).")
    assert (runner.project.folder / "pull-request/plots/change-confusion.png").is_file()

    # A remote that can't be asked holds up nothing.
    runner.project.dvc("remote", "modify", "--local", "store", "url", "s3://bucket/store")
    assert runner.project.ran("".join(runner.job("push"))) == []
