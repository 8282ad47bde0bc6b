"""What the workflows may do with this repository, and with a stranger's pull request."""

import re
import subprocess

import pytest
from ruamel.yaml import YAML

from stages.report.comment import MARKER
from tests.closure import ROOT

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


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_code_of_a_pull_request_runs_without_the_right_to_write(workflow, job):
    permissions = job.get("permissions", workflow["permissions"])
    assert set(permissions.values()) <= {"read", "write"}
    if any(step.get("uses", "").startswith("actions/checkout@") for step in job["steps"]):
        assert permissions == {"contents": "read"}
    else:
        assert permissions == {"pull-requests": "write"}
        assert job["if"] == "github.event.pull_request.head.repo.full_name == github.repository"


def comment_step():
    (step,) = (
        step for step in WORKFLOWS["pull-request.yml"]["jobs"]["comment"]["steps"] if "run" in step
    )
    return step["run"]


@pytest.mark.parametrize("before", ["", "17"])
def test_the_comment_is_written_once_and_then_updated(tmp_path, before):
    """The step as it is, with a `gh` that tells how it was called."""
    (tmp_path / "comment.md").write_text(f"{MARKER}\n\ntext\n")
    gh = tmp_path / "gh"
    gh.write_text(
        "#!/bin/sh\n"
        'echo "$marker: $@" >> calls\n'
        f'case "$*" in *--paginate*) printf "%s\\n" "{before}";; esac\n'
    )
    gh.chmod(0o755)
    subprocess.run(
        ["bash", "-e", "-c", comment_step()],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "GH_REPO": "owner/name", "NUMBER": "3"},
        check=True,
    )
    look, write = (tmp_path / "calls").read_text().splitlines()
    assert look.startswith(f"{MARKER}: api --paginate repos/owner/name/issues/3/comments")
    assert write.removeprefix(f"{MARKER}: ") == (
        "api --silent --method PATCH repos/owner/name/issues/comments/17 --field body=@comment.md"
        if before
        else "pr comment 3 --body-file comment.md"
    )
