"""The stage as it is run: outputs whole or as they were, mistakes in one line."""

import errno
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cxr.datasets.labels import classes
from cxr.pipeline import tables
from cxr.pipeline.params import load
from stages.download import __main__ as stage
from tests.helpers.closure import ROOT, loaded
from tests.helpers.hosts import Answer, loopback
from tests.helpers.params import changed
from tests.helpers.sets import PARAMS, files_in, lay, zip_of


def arguments(folder: Path, **changes: object) -> list[str]:
    files = {"params": changed(folder, inbox=str(folder / "inbox"), **changes)}
    names = {"downloads": "downloads", "raw": "data/raw", "index": "data/index.csv"}
    files |= {name: folder / file for name, file in names.items()}
    return [word for name, file in files.items() for word in (f"--{name}", str(file))]


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    monkeypatch.setattr(sys, "argv", ["download", *arguments(folder, **changes)])
    stage.main()


UNION = {
    "dataset": "union",
    "union__datasets": ["folder", "covid19_image", "covid_chestxray"],
    "union__labels": {
        "covid19_image": {"Covid": "COVID-19", "Normal": "other", "Viral Pneumonia": "other"}
    },
}


def several(inbox: Path) -> None:
    lay(inbox / "folder", "COVID-19/1.png", "other/2.png")
    (inbox / "folder/index.csv").write_text("image,patient,source\nCOVID-19/1.png,2,west\n")
    for side in ("train", "test"):
        for label in ("Covid", "Normal", "Viral Pneumonia"):
            lay(inbox / "made", f"{side}/{label}/1.png")
    zip_of(inbox / "made", inbox / "covid19_image.zip")
    lay(inbox / "covid_chestxray", "images/a.jpg", "annotations/lungVAE-masks/a_mask.png")
    rows = "patientid,finding,view,folder,filename\n2,SARS,PA,images,a.jpg\n"
    (inbox / "covid_chestxray/metadata.csv").write_text(rows)


def test_a_union_keeps_sources_apart_and_maps_labels_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several(tmp_path / "inbox")
    run(tmp_path, monkeypatch, **UNION)
    table = tables.read(tmp_path / "data/index.csv", tables.Index)
    index = table.set_index("image")
    assert index["patient"].to_dict() == {
        **dict.fromkeys(index.index, ""),
        "folder/COVID-19/1.png": "folder/2",
        "covid_chestxray/images/a.jpg": "covid_chestxray/2",
    }
    assert set(index["source"]) == {"west", "folder", "covid19_image", "covid_chestxray"}
    mask = "covid_chestxray/annotations/lungVAE-masks/a_mask.png"
    assert index.loc["covid_chestxray/images/a.jpg", "mask"] == mask
    assert files_in(tmp_path / "data/raw") == sorted([*index.index, mask])
    params = load(tmp_path / "params.yaml")
    mapped = dict(zip(table["image"], classes(table, params), strict=True))
    assert mapped["covid19_image/train/Covid/1.png"] == "COVID-19"
    assert mapped["covid_chestxray/images/a.jpg"] == "other"
    assert mapped["folder/COVID-19/1.png"] == "COVID-19"
    assert set(mapped.values()) == {"COVID-19", "other"}


def test_the_default_labels_of_the_union_fit_the_published_labels() -> None:
    assert set(PARAMS.union.labels) == set(PARAMS.union.datasets)
    kept = {label for labels in PARAMS.union.labels.values() for label in labels.values()}
    assert kept == {"COVID", "normal", "pneumonia", "tuberculosis", ""}


def test_what_is_fetched_is_unpacked_and_then_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several(tmp_path / "elsewhere")
    (tmp_path / "inbox").mkdir()
    with loopback(tmp_path) as (hosts, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        archive = (tmp_path / "elsewhere/covid19_image.zip").read_bytes()
        hosts.answers["https://mirror.example/covid19_image.zip"] = Answer(archive)
        mirror = {"download__mirror": "https://mirror.example"}
        run(tmp_path, monkeypatch, dataset="covid19_image", **mirror)
    assert len(files_in(tmp_path / "data/raw")) == 6
    assert files_in(tmp_path / "downloads") == []


def test_a_damaged_download_is_fetched_again_and_a_refused_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several(tmp_path / "elsewhere")
    (tmp_path / "inbox").mkdir()
    sound = (tmp_path / "elsewhere/covid19_image.zip").read_bytes()
    damaged = sound.replace(b"1.pngx", b"1.pngy", 1)
    settings = {"dataset": "covid19_image", "download__mirror": "https://mirror.example"}
    with loopback(tmp_path) as (hosts, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        hosts.answers["https://mirror.example/covid19_image.zip"] = Answer(damaged)
        with pytest.raises(stage.UserError, match="Bad CRC-32"):
            run(tmp_path, monkeypatch, **settings)
        assert files_in(tmp_path / "downloads") == []
        hosts.answers["https://mirror.example/covid19_image.zip"] = Answer(sound)
        with pytest.raises(stage.UserError, match=r"download\.max_unpacked_gigabytes"):
            run(tmp_path, monkeypatch, download__max_unpacked_gigabytes=1e-9, **settings)
        assert files_in(tmp_path / "downloads") == ["covid19_image/archive"]
        run(tmp_path, monkeypatch, **settings)
    assert len(files_in(tmp_path / "data/raw")) == 6


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    lay(tmp_path, "data/raw/old.png", "data/index.csv", "inbox/covid19_image/train/A/1.png")
    command = [sys.executable, "-m", "stages.download"]
    words = arguments(tmp_path, dataset="covid19_image")
    done = subprocess.run([*command, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert files_in(tmp_path / "data") == ["index.csv", "raw/old.png"]


def test_a_full_disk_is_one_line_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    lay(tmp_path, "data/raw/old.png", "data/index.csv", "inbox/a/1.png", "inbox/b/1.png")
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(stage.UserError, match=r"raw\.part/a/1\.png: the disk is full. Free"):
        run(tmp_path, monkeypatch, dataset="folder")
    assert files_in(tmp_path / "data") == ["index.csv", "raw/old.png"]


def test_a_union_without_the_own_folder_tells_where_it_belongs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path, "inbox/note")
    with pytest.raises(stage.UserError, match="inbox has no folder/: put your images there"):
        run(tmp_path, monkeypatch, **{**UNION, "union__datasets": ["folder", "phantom"]})


def test_missing_files_are_counted_and_the_first_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(tmp_path / "inbox", "all/1.png", "all/2.png")
    rows = "image,label\nall/1.png,a\nall/2.png,b\nlost/3.png,a\nlost/4.png,b\n"
    (tmp_path / "inbox/index.csv").write_text(rows)
    run(tmp_path, monkeypatch, dataset="folder")
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "kept 2 of 4 images",
        "  2 no such file",
        "warning: 2 of 4 files are missing, such as lost/3.png: is the data set complete?",
    ]


def test_the_stage_starts_without_the_clients() -> None:
    heavy = {"gdown", "kagglehub", "requests", "openpyxl", "torch", "matplotlib"}
    assert loaded("stages.download.__main__", heavy) == set()
