import subprocess
import sys
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxr.images.process import process
from cxr.pipeline import tables
from stages.prepare.arrays import ArrayWriter
from tests.helpers.closure import ROOT
from tests.helpers.params import changed
from tests.helpers.prepare_settings import SETTINGS, index, row


def run(folder: Path, table: pd.DataFrame) -> subprocess.CompletedProcess[str]:
    tables.write(folder / "index.csv", table, tables.Index)
    files = {"params": changed(folder, prepare__image_size=64), "raw": folder / "raw"}
    names = {
        "store": "store",
        "index": "index.csv",
        "pixels": "p.npy",
        "thumbnails": "t.npy",
        "masks": "m.npy",
        "lesions": "l.npy",
        "images": "i.csv",
    }
    files |= {name: folder / file for name, file in names.items()}
    options = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    return subprocess.run(
        [sys.executable, "-m", "stages.prepare", *options], cwd=ROOT, capture_output=True, text=True
    )


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(5):
        Image.fromarray(random.integers(0, 256, (70, 90), np.uint8)).save(folder / f"{number}.png")
    (folder / "text.png").write_text("no image")
    (folder / "empty.png").touch()
    mask = np.zeros((70, 90), np.uint8)
    mask[:, 45:] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    return folder


def test_every_row_of_the_index_is_accounted_for(raw: Path) -> None:
    names = [f"{number}.png" for number in range(5)] + ["text.png", "empty.png", "gone.png"]
    views = ["PA", "", "L", "PA", "", "", "", ""]
    result = run(raw.parent, index(names, view=views))
    assert result.returncode == 0, result.stderr
    images = tables.read(raw.parent / "i.csv", tables.Images).set_index("image")
    assert len(images) == 8
    reasons = images["reason"].to_dict()
    assert reasons["text.png"] == "not an image"
    assert reasons["empty.png"] == "empty file"
    assert reasons["gone.png"] == "no such file"
    assert reasons["2.png"] == "view L is not in prepare.views"
    assert images.loc["2.png", "status"] == "excluded"
    usable = images[images["status"] == "ok"]
    assert sorted(usable["row"]) == [0, 1, 2, 3]
    assert (images.loc[images["status"] != "ok", "row"] == -1).all()
    pixels = np.load(raw.parent / "p.npy")
    assert pixels.shape == (4, 64, 64)
    thumbnails = np.load(raw.parent / "t.npy")
    assert thumbnails.shape == (4, 64, 64)
    assert np.load(raw.parent / "m.npy").shape == (0, 64, 64)
    for name, place in usable["row"].items():
        own = process(row(name), raw, SETTINGS, None)
        assert (pixels[place] == own.pixels).all()
        code = imagehash.phash(Image.fromarray(thumbnails[place]), hash_size=16)
        assert usable.loc[name, "phash"] == str(code)


@pytest.mark.parametrize(("column", "file"), [("mask", "m.npy"), ("lesion", "l.npy")])
def test_masks_follow_their_images(raw: Path, column: str, file: str) -> None:
    table = index(["0.png", "1.png"], **{column: ["", "mask.png"]})
    assert run(raw.parent, table).returncode == 0
    masks = np.load(raw.parent / file)
    other = {"m.npy", "l.npy"} - {file}
    assert len(np.load(raw.parent / other.pop())) == 0
    assert masks.shape == (2, 64, 64)
    assert masks[0].max() == 0
    assert masks[1, :, :31].max() == 0
    assert masks[1, :, 33:].min() == 1


def test_no_usable_image_is_one_line_and_leaves_what_was(raw: Path) -> None:
    assert run(raw.parent, index(["0.png"])).returncode == 0
    before = (raw.parent / "p.npy").read_bytes()
    result = run(raw.parent, index(["text.png", "gone.png"]))
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1].startswith("error: none of the 2 images")
    assert "Traceback" not in result.stderr
    assert (raw.parent / "p.npy").read_bytes() == before
    assert not list(raw.parent.glob(".*part*"))


def test_what_is_left_out_is_printed_by_reason_and_many_missing_files_warn(raw: Path) -> None:
    table = index(["0.png", "text.png", "gone.png", "lost.png"])
    printed = run(raw.parent, table).stdout
    assert "kept 1 of 4 images" in printed
    assert "1 unusable: not an image" in printed
    assert "2 unusable: no such file" in printed
    assert "warning: 2 of 4 files are missing, such as gone.png" in printed
    assert printed.splitlines()[-1].startswith("see the reason of each in ")
    assert "see the reason" not in run(raw.parent, index(["0.png"])).stdout


def test_an_array_written_in_pieces_reads_as_one(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8), np.uint8)
    with ArrayWriter(tmp_path / "a.npy", 8) as writer:
        assert [writer.append(image) for image in images] == [0, 1, 2, 3, 4]
    assert (np.load(tmp_path / "a.npy", mmap_mode="r") == images).all()


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_what_duplicates_are_found_by_does_not_depend_on_the_size(
    tmp_path: Path, form: str
) -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (30, 40), np.uint8)
    Image.fromarray(coarse).resize((2500, 1800)).save(tmp_path / "x", form)
    found = [
        process(row("x"), tmp_path, SETTINGS.model_copy(update=change), None)
        for change in ({"image_size": 64}, {"image_size": 600}, {"resize_mode": "pad"})
    ]
    assert len({one.facts["phash"] for one in found}) == 1
    for one in found:
        assert one.thumbnail is not None
        assert one.thumbnail.tobytes() == found[0].thumbnail.tobytes()
