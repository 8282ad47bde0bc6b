import pandas as pd
import pytest

from cxr.pipeline.errors import UserError
from cxr.pipeline.params import SplitSettings, load
from stages.split.patients import (
    name_patients,
    patient_in,
    report_set_aside,
    report_unknown,
    suggest_pattern,
)
from tests.helpers.closure import ROOT


def names(form: str, count: int = 60) -> pd.Series:
    return pd.Series([form.format(n // 3, n % 3, n) for n in range(count)])


@pytest.mark.parametrize(
    ("form", "patient"),
    [
        ("train/PNEUMONIA/person{}_bacteria_{}.jpeg", "person0"),
        ("patient{:05}/study1/view{}.jpg", "patient00000"),
        ("ill/smith{}_day{}.png", "smith0"),
        ("{:08}_{:03}.png", "00000000"),
        ("NORMAL/IM-{:04}-{:04}.jpeg", "IM-0000"),
    ],
)
def test_a_name_that_several_files_share_is_suggested(form: str, patient: str) -> None:
    found = suggest_pattern(names(form))
    assert found is not None
    pattern, example = found
    assert patient_in(example, pattern) == patient
    images = pd.DataFrame({"image": names(form), "patient": ""})
    assert name_patients(images, pattern).nunique() == 20


@pytest.mark.parametrize(
    "form", ["Normal/Normal-{2}.png", "{2:05}.png", "case{2}.png", "COVID/TB.{2}.jpg"]
)
def test_a_class_or_a_counter_is_no_patient(form: str) -> None:
    assert suggest_pattern(names(form, 500)) is None


def test_patients_that_are_known_stay_as_they_are() -> None:
    images = pd.DataFrame({"image": ["a/p1_x.png", "a/p1_y.png"], "patient": ["", "known"]})
    assert name_patients(images, r"p\d+").tolist() == ["p1", "known"]
    assert name_patients(images, r"(a)/(p\d+)").tolist() == ["a-p1", "known"]
    assert name_patients(images, "").tolist() == ["", "known"]
    with pytest.raises(UserError, match=r"patient_pattern: 'q' is found in none of the 1 "):
        name_patients(images, "q")


def test_unknown_patients_are_said_first(capsys: pytest.CaptureFixture[str]) -> None:
    used = pd.DataFrame({"image": names("x/person{}_{}.png"), "patient": ""})
    report_unknown(used)
    said = capsys.readouterr().out
    assert "patients unknown for 100% of the images (60 of 60): patient leaks cannot" in said
    assert "such as 'person0' in x/person0_0.png" in said
    few = pd.DataFrame({"image": names("{}_{}.png", 200), "patient": ["", *["known"] * 199]})
    report_unknown(few)
    assert "unknown for less than 1% of the images (1 of 200)" in capsys.readouterr().out
    report_unknown(used.assign(patient="known"))
    assert capsys.readouterr().out == ""


def settings(**changes: object) -> SplitSettings:
    return load(ROOT / "params.yaml").split.model_copy(update=changes)


def test_what_an_official_split_costs_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("train", "p", ""), ("test", "p", "test"), ("train", "", ""), ("train", "q", "train")]
    kept = pd.DataFrame(rows, columns=["official_split", "patient", "split"])
    report_set_aside(kept, settings(use_official_split=True))
    assert "2 images are set aside because the official split has their patient (1)" in (
        capsys.readouterr().out
    )
    report_set_aside(kept, settings(use_official_split=False))
    assert capsys.readouterr().out == ""


def test_what_stable_splits_cost_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        ("train", "p", "g", ""), ("test", "q", "g", "test"), ("train", "r", "h", ""),
        ("train", "s", "h", "val"), ("", "", "i", ""), ("", "", "i", "test"),
    ]  # fmt: skip
    kept = pd.DataFrame(rows, columns=["official_split", "patient", "split_group", "split"])
    report_set_aside(kept, settings(method="stable", use_official_split=True))
    official, stable = capsys.readouterr().out.splitlines()
    assert official.startswith("1 images are set aside because the official split")
    assert stable.startswith("2 images are set aside because a copy or alike image")
    assert "in another split by split.method: stable: split.method: folds" in stable
    report_set_aside(kept[kept["split"] != ""], settings(method="stable"))
    assert capsys.readouterr().out == ""
