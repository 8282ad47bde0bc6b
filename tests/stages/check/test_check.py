"""What can't work is refused before any output is touched."""

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from cxr.pipeline.errors import UserError
from stages.check import __main__ as stage
from stages.download import __main__ as download
from tests.helpers.params import changed


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    params = str(changed(folder, **{"inbox": str(folder), **changes}))
    words = ["check", "--params", params, "--checked", str(folder / "checked")]
    monkeypatch.setattr(sys, "argv", words)
    stage.main()


@pytest.mark.parametrize("dataset", ["phantom", "radiography", "covid_xray_5k", "union"])
def test_what_can_work_passes(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, monkeypatch, dataset=dataset)
    assert (tmp_path / "checked").is_file()


@pytest.mark.parametrize("name", ["timm/resnet18.a1_in1k", "me/x-rays@refs/pr/1"])
def test_names_on_the_hub_pass(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, monkeypatch, recipes__scratch__weights=f"hf-hub:{name}")
    assert (tmp_path / "checked").is_file()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dataset": "radiografy"}, r"dataset: there is no 'radiografy' \(did you mean 'radiogr"),
        (
            {"dataset": "union", "union__datasets": ["radiography", "chest_tb"]},
            r"union.datasets: there is no 'chest_tb' \(did you mean 'chest4_tb'\?\)",
        ),
        ({"dataset": "union", "union__datasets": ["union", "folder"]}, "there is no 'union'"),
        ({"dataset": "union", "union__datasets": ["folder"]}, "name two or more data sets"),
        ({"union__labels": {"chest_tb": {}}}, "union.labels: there is no 'chest_tb'"),
        ({"download__mirror": "ftp://host"}, "download.mirror: 'ftp://host' is invalid"),
        ({"download__urls": {"radiografy": "https://a.b/c.zip"}}, "download.urls: there is no"),
        (
            {"download__urls": {"radiography": "c.zip"}},
            "download.urls.radiography: 'c.zip' is invalid",
        ),
        (
            {"download__sha256": {"radiography": "12"}},
            "download.sha256.radiography: '12' is invalid",
        ),
        (
            {"download__max_compression_ratio": 0.5},
            "download.max_compression_ratio: 0.5 is invalid",
        ),
        ({"model": "simple_cnm"}, r"'simple_cnm' is not under `architectures:` \(did you mean"),
        (
            {"recipes__scratch__weights": "none.pth"},
            "recipes.scratch.weights: there is no file 'none.pth'",
        ),
        *(
            (
                {"recipes__scratch__weights": name},
                f"recipes.scratch.weights: '{name}' names no weights.*hf-hub:owner/name",
            )
            for name in ("hf-hub:", "hf-hub:owner", "hf-hub:a/b/c", "hf-hub:a/b@", "hf-hub:a/b@1@2")
        ),
        ({"inbox": "nowhere"}, "inbox: there is no folder 'nowhere'"),
        ({"gradcam__novel": "nowhere"}, "gradcam.novel: there is no folder 'nowhere'"),
    ],
)
def test_a_mistake_is_one_line(
    changes: dict[str, object], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=words) as caught:
        run(tmp_path, monkeypatch, **changes)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "checked").exists()


class Queued:
    """A repository and an experiment's temporary directory in it, which is the working directory.

    Both have a tracked page in the inbox and an empty folder of novel images.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.repository = folder / "repository"
        self.here = self.repository / ".dvc/tmp/exps/tmp1"
        for place in (self.repository, self.here):
            (place / "data/novel").mkdir(parents=True)
            (place / "data/inbox").mkdir()
            (place / "data/inbox/README.md").write_text("read me")
        monkeypatch.chdir(self.here)

    def ignored(self, name: str) -> None:
        """A file that git ignores."""
        (self.repository / name).parent.mkdir(parents=True, exist_ok=True)
        (self.repository / name).write_bytes(b"x")

    def start(self, main: Callable[[], None], output: str, **changes: object) -> None:
        words = ["stage", "--params", str(changed(self.here, **changes))]
        self.monkeypatch.setattr(sys, "argv", words + output.split())
        main()


CHECK = "--checked checked"
DOWNLOAD = "--downloads downloads --raw raw --index index.csv"


@pytest.fixture
def queued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Queued:
    return Queued(tmp_path, monkeypatch)


@pytest.mark.parametrize(("main", "output"), [(stage.main, CHECK), (download.main, DOWNLOAD)])
@pytest.mark.parametrize("name", ["radiography.zip", "radiography/COVID/1.png"])
def test_an_inbox_whose_files_a_queued_experiment_lacks_is_refused(
    main: Callable[[], None], output: str, name: str, queued: Queued
) -> None:
    queued.ignored(f"data/inbox/{name}")
    absolute = queued.repository / "data/inbox"
    with pytest.raises(UserError, match=f"Write -S inbox={absolute}$") as caught:
        queued.start(main, output, dataset="radiography")
    assert "\n" not in str(caught.value)
    assert not (queued.here / "checked").exists()
    # The same outside of the queue, and what the message says to write.
    queued.start(stage.main, CHECK, dataset="radiography", inbox=str(absolute))
    queued.monkeypatch.chdir(queued.repository)
    queued.start(stage.main, CHECK, dataset="radiography")


def test_a_suggested_path_is_quoted_for_the_shell_and_for_dvc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued = Queued(tmp_path / 'ray\'s [ü] "$1"', monkeypatch)
    queued.ignored("data/inbox/radiography.zip")
    with pytest.raises(UserError) as caught:
        queued.start(stage.main, CHECK, dataset="radiography")
    (setting,) = shlex.split(str(caught.value).split("Write -S ")[1])
    (override,) = OverridesParser.create().parse_overrides([setting])
    assert override.key_or_group == "inbox"
    assert override.value() == str(queued.repository / "data/inbox")


def test_a_queued_experiment_in_a_shallow_clone_is_refused(queued: Queued) -> None:
    subprocess.run(["git", "init", "-q", queued.repository], check=True)
    queued.start(stage.main, CHECK)
    (queued.repository / ".git/shallow").write_text(f"{'0' * 40}\n")
    with pytest.raises(UserError, match=r"shallow clone.*`git fetch --unshallow`"):
        queued.start(stage.main, CHECK)
    # What runs in the workspace is kept.
    queued.monkeypatch.chdir(queued.repository)
    queued.start(stage.main, CHECK)


def test_novel_images_that_a_queued_experiment_lacks_are_refused(queued: Queued) -> None:
    queued.ignored("data/novel/1.png")
    absolute = queued.repository / "data/novel"
    with pytest.raises(UserError, match=f"Write -S gradcam.novel={absolute}$"):
        queued.start(stage.main, CHECK)


def test_what_a_queued_experiment_has_or_does_not_need_is_no_reason_to_refuse(
    queued: Queued,
) -> None:
    queued.ignored("data/inbox/.gitignore")
    queued.start(stage.main, CHECK, dataset="radiography")
    queued.ignored("data/inbox/radiography.zip")
    queued.start(stage.main, CHECK, dataset="phantom")
    with pytest.raises(UserError, match="outside' leaves the repository"):
        queued.start(stage.main, CHECK, dataset="phantom", inbox="../outside")
