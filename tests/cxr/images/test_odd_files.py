"""Every odd or hostile file ends as a usable row or as a row with a reason, never as a crash."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr.images.decode import UnusableError, decode
from cxr.images.process import Outcome, process
from tests.helpers.dicom_files import dicom, encoded
from tests.helpers.odd_files import (  # fmt: skip
    BAD,
    GOOD,
    GREY,
    IMAGE,
    PNG,
    STRETCHED,
    TWELVE,
    frames,
    with_alpha,
)
from tests.helpers.prepare_settings import SETTINGS, row


def outcome(folder: Path, data: bytes, **columns: str) -> Outcome:
    (folder / "file").write_bytes(data)
    return process(row("file", **columns), folder, SETTINGS, None)


@pytest.mark.parametrize("kind", GOOD)
def test_a_usable_file_gives_the_same_picture(kind: str) -> None:
    data, mode, form = GOOD[kind]
    result = decode(data, SETTINGS, 64)
    assert (result.mode, result.format) == (mode, form)
    stored = (40, 60) if kind in ("turned JPEG", "turned PNG") else (60, 40)
    assert (result.width, result.height) == stored
    grey = np.asarray(result.grey)
    assert grey.dtype == np.uint8
    assert grey.shape == GREY.shape
    assert np.corrcoef(grey[:, 1:].ravel(), GREY[:, 1:].ravel())[0, 1] > 0.98
    error = np.abs(grey.astype(int) - GREY)
    if kind in STRETCHED:
        assert (grey.min(), grey.max()) == (0, 255)
    else:
        assert np.median(error) <= 2
        assert np.percentile(error, 97) <= 8


def test_an_image_whose_middle_alone_is_blank_is_told_from_a_blank_one(tmp_path: Path) -> None:
    wide = np.zeros((40, 300), np.uint8)
    wide[:, :60] = GREY
    reason = outcome(tmp_path, encoded(Image.fromarray(wide), "PNG")).facts["reason"]
    assert reason == "blank after it was made square (prepare.resize_mode)"


@pytest.mark.parametrize("form", ["PNG", "TIFF", "GIF", "BMP"])
def test_black_and_white_is_usable(form: str) -> None:
    result = np.asarray(decode(encoded(IMAGE.convert("1"), form), SETTINGS, 64).grey)
    assert set(np.unique(result)) == {0, 255}


def test_what_is_transparent_is_black() -> None:
    left_hidden = Image.fromarray(np.repeat([[0, 255]], 30, axis=1).repeat(40, axis=0).astype("u1"))
    result = np.asarray(decode(encoded(with_alpha(IMAGE, left_hidden), "PNG"), SETTINGS, 64).grey)
    assert result[:, :30].max() == 0
    assert (result[:, 30:] == GREY[:, 30:]).all()


def test_a_photograph_with_a_preview_is_its_first_picture() -> None:
    result = decode(frames("MPO"), SETTINGS, 64)
    assert result.format == "MPO"
    assert np.abs(np.asarray(result.grey).astype(int) - GREY).mean() < 3


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_a_row_with_a_reason(kind: str, tmp_path: Path) -> None:
    data, reason = BAD[kind]
    result = outcome(tmp_path, data)
    assert result.pixels is None
    assert result.facts["status"] == "unusable"
    assert re.search(reason, result.facts["reason"])
    assert "\n" not in result.facts["reason"]
    assert " 0x" not in result.facts["reason"]
    assert len(result.facts["reason"]) < 200
    assert len(result.facts["sha256"]) == 64


@pytest.mark.parametrize("kind", GOOD)
def test_a_file_cut_anywhere_is_no_crash(kind: str, tmp_path: Path) -> None:
    data = GOOD[kind][0]
    for share in (0.02, 0.1, 0.3, 0.6, 0.9, 0.99):
        result = outcome(tmp_path, data[: int(len(data) * share)])
        assert result.facts["status"] in ("ok", "unusable")


@pytest.mark.parametrize("kind", GOOD)
def test_a_file_with_wrong_bytes_is_no_crash(kind: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for _ in range(10):
        data = bytearray(GOOD[kind][0])
        for place in random.integers(0, len(data), 10):
            data[place] = random.integers(256)
        result = outcome(tmp_path, bytes(data))
        assert result.facts["status"] in ("ok", "unusable")


def test_bombs_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", never)
    monkeypatch.setattr("cxr.images.dicom.levels", never)
    small = SETTINGS.model_copy(update={"max_megapixels": 0.002})
    for kind in ("grey PNG", "RGB JPEG", "TIFF", "WebP", "DICOM", "DICOM by RLE"):
        with pytest.raises(UnusableError, match=r"60 x 40: larger than prepare.max_megapixels"):
            decode(GOOD[kind][0], small, 64)


def test_a_file_too_large_for_any_image_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.truncate(10**9)
    result = process(row("file"), tmp_path, SETTINGS, None)
    assert result.facts["reason"] == "a file larger than prepare.max_megapixels"


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    reasons = {
        name: process(row(name), tmp_path, SETTINGS, None).facts["reason"]
        for name in ("folder", "pipe", "loop", "gone")
    }
    assert reasons["folder"] == reasons["pipe"] == "not a file"
    assert reasons["gone"] == "no such file"
    assert reasons["loop"].startswith("unreadable: ")


def test_the_mask_is_named_when_it_is_the_mask_that_is_bad(tmp_path: Path) -> None:
    (tmp_path / "mask").write_bytes(b"no image")
    assert outcome(tmp_path, PNG, mask="mask").facts["reason"] == "its mask: not an image"
    assert outcome(tmp_path, PNG, lesion="mask").facts["reason"] == "its lesion: not an image"


def test_dicom_tells_patient_and_view_where_the_table_does_not(tmp_path: Path) -> None:
    data = dicom(TWELVE, PatientID="Doe^1", ViewPosition="PA")
    own = outcome(tmp_path, data).facts
    assert own["view"] == "PA"
    assert re.fullmatch("dicom-[0-9a-f]{16}", own["patient"])
    assert (
        own["patient"] == outcome(tmp_path, dicom(TWELVE // 2, PatientID="Doe^1")).facts["patient"]
    )
    assert own["patient"] != outcome(tmp_path, dicom(TWELVE, PatientID="Doe^2")).facts["patient"]
    told = outcome(tmp_path, data, patient="p1", view="PA").facts
    assert told["patient"] == "p1"


NOBODY = ("", "ANONYMOUS", "0", "Anonymized Patient", "REMOVED", "N/A", "anon^patient")


@pytest.mark.parametrize("nobody", NOBODY)
def test_dicom_of_nobody_has_no_patient(nobody: str, tmp_path: Path) -> None:
    assert outcome(tmp_path, dicom(TWELVE, PatientID=nobody)).facts["patient"] == ""


def test_a_view_in_the_header_of_dicom_can_be_excluded(tmp_path: Path) -> None:
    result = outcome(tmp_path, dicom(TWELVE, ViewPosition="LL"))
    assert result.facts["status"] == "excluded"
    assert result.facts["reason"] == "view LL is not in prepare.views"
    assert result.facts["view"] == "LL"


def test_padding_of_dicom_is_black_and_takes_no_part_in_the_window() -> None:
    levels = TWELVE.astype(np.int16)
    whole = np.asarray(decode(dicom(levels, bits=16), SETTINGS, 64).grey)
    levels[:, :10] = -2000
    grey = np.asarray(decode(dicom(levels, bits=16, PixelPaddingValue=-2000), SETTINGS, 64).grey)
    assert (grey[:, :10] == 0).all()
    assert np.abs(grey[:, 10:].astype(int) - whole[:, 10:]).max() <= 8


@pytest.mark.parametrize("patient", ["unknown", "NA", "folder/N/A", "Anonymized Patient"])
def test_a_placeholder_in_a_table_is_no_patient(patient: str, tmp_path: Path) -> None:
    assert outcome(tmp_path, PNG, patient=patient).facts["patient"] == ""
    assert outcome(tmp_path, PNG, patient="folder/0").facts["patient"] == "folder/0"


@pytest.mark.parametrize("view", ["pa", "Pa", " PA "])
def test_views_are_compared_without_case_and_spaces(view: str, tmp_path: Path) -> None:
    assert outcome(tmp_path, PNG, view=view).facts["status"] == "ok"
    assert outcome(tmp_path, PNG, view="LL").facts["status"] == "excluded"
