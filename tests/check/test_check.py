"""What can't work is refused before any output is touched."""

import sys
from pathlib import Path

import pytest

from stages.check import __main__ as stage
from stages.command import UserError
from tests.test_params import changed


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    params = str(changed(folder, inbox=str(folder), **changes))
    words = ["check", "--params", params, "--checked", str(folder / "checked")]
    monkeypatch.setattr(sys, "argv", words)
    stage.main()


@pytest.mark.parametrize("dataset", ["phantom", "radiography", "covid_xray_5k", "union"])
def test_what_can_work_passes(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, monkeypatch, dataset=dataset)
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
        ({"download__mirror": "ftp://host"}, "download.mirror: 'ftp://host' won't do"),
        ({"download__urls": {"radiografy": "https://a.b/c.zip"}}, "download.urls: there is no"),
        ({"download__urls": {"radiography": "c.zip"}}, "download.urls.radiography: 'c.zip' won't"),
        ({"download__sha256": {"radiography": "12"}}, "download.sha256.radiography: '12' won't"),
        ({"download__max_ratio": 0.5}, "download.max_ratio: 0.5 won't do"),
    ],
)
def test_a_mistake_is_one_line(
    changes: dict[str, object], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=words) as caught:
        run(tmp_path, monkeypatch, **changes)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "checked").exists()
