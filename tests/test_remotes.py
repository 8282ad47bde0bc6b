"""What one machine pushes, another pulls, and computes nothing again."""

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import boto3
import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from tests.helpers.project import Project


class S3:
    """Amazon's S3 as moto plays it, on loopback; it can refuse all after some requests."""

    def __init__(self) -> None:
        self.left = 10**9
        self.app = DomainDispatcherApplication(create_backend_app)
        self.server = make_server("127.0.0.1", 0, self.answer, threaded=True)
        self.address = f"http://127.0.0.1:{self.server.port}"

    def answer(self, environ: WSGIEnvironment, start: StartResponse) -> Any:
        self.left -= environ["REQUEST_METHOD"] in ("GET", "PUT")
        if self.left < 0:
            # As when credentials expire. (DVC tries again, for long, where the server breaks.)
            start("403 Forbidden", [("Content-Length", "0")])
            return []
        return self.app(environ, start)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """A server with an empty bucket, and the credentials for it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = S3()
    Thread(target=server.server.serve_forever).start()
    boto3.client("s3", endpoint_url=server.address).create_bucket(Bucket="store")
    yield server
    server.server.shutdown()


def with_remote(project: Project, url: str, **options: str) -> Project:
    project.dvc("remote", "add", "--default", "store", url)
    for name, value in options.items():
        project.dvc("remote", "modify", "store", name, value)
    project.commit("Name a remote")
    return project


def test_a_second_clone_pulls_all_and_runs_nothing(project: Project, tmp_path: Path) -> None:
    with_remote(project, os.fspath(tmp_path / "remote"))
    project.dvc("push")
    clone = project.clone(tmp_path / "clone")
    clone.dvc("pull")
    assert clone.outputs() == project.outputs()
    assert clone.ran(clone.dvc("repro")) == []


@pytest.mark.slow
def test_an_s3_bucket_that_fails_half_way_leaves_nothing_broken(
    project: Project, tmp_path: Path, s3: S3
) -> None:
    with_remote(project, "s3://store/xray", endpointurl=s3.address)
    s3.left = 15
    project.dvc("push", fails=True)
    s3.left = 10**9
    project.dvc("push")
    clone = project.clone(tmp_path / "clone")
    s3.left = 15
    clone.dvc("pull", fails=True)
    wanted = project.outputs()
    there = clone.outputs()
    assert there.items() <= wanted.items(), "a file that is not whole"
    s3.left = 10**9
    clone.dvc("pull")
    assert clone.outputs() == wanted
    assert clone.ran(clone.dvc("repro")) == []
