"""A hospital's own images, with a table that tells what is known of them."""

from pathlib import Path

import pytest

from cxr.pipeline.errors import UserError
from tests.helpers.sets import brought, files_in, lay


def hospital(root: Path, table: str, encoding: str = "utf-8") -> Path:
    lay(root, "covid/1.png", "covid/2.png", "normal/3.png", "README.md")
    (root / "index.csv").write_text(table, encoding)
    return root


def test_a_table_adds_patients_to_class_folders(tmp_path: Path) -> None:
    table = "image,patient,view,sex,age,official_split,source\n"
    rows = "covid/1.png,p1,PA,female,61,Train,west\ncovid/2.png,p1,,m,,testing,\n"
    inbox = hospital(tmp_path / "inbox", table + rows)
    index = brought(inbox, "folder", tmp_path / "data/raw").drop(columns=["dataset", "mask"])
    assert index.loc["covid/1.png"].tolist() == ["covid", "p1", "west", "train", "PA", "F", "61"]
    assert index.loc["covid/2.png"].tolist() == ["covid", "p1", "folder", "test", "", "M", ""]
    assert index.loc["normal/3.png"].tolist() == ["normal", "", "folder", "", "", "", ""]


def test_a_table_with_labels_needs_no_class_folders(tmp_path: Path) -> None:
    lay(tmp_path / "inbox", "all/1.png", "all/2.png", "all/3.png", "masks/1.png")
    rows = "image,label,mask\nall/1.png,covid,masks/1.png\nall/2.png,normal,\nall/9.png,covid,\n"
    (tmp_path / "inbox/index.csv").write_text("\ufeff" + rows)
    index = brought(tmp_path / "inbox", "folder", tmp_path / "data/raw")
    assert index["label"].to_dict() == {
        "all/1.png": "covid",
        "all/2.png": "normal",
        "all/3.png": "",  # in no row
        "all/9.png": "covid",  # no file
    }
    assert index.loc["all/1.png", "mask"] == "masks/1.png"
    there = ["all/1.png", "all/2.png", "all/3.png", "masks/1.png"]
    assert files_in(tmp_path / "data/raw") == there


def test_images_beside_the_table_are_found(tmp_path: Path) -> None:
    lay(tmp_path / "inbox", "1.png", "2.png")
    (tmp_path / "inbox/index.csv").write_text("image,label\n1.png,covid\n2.png,normal\n")
    index = brought(tmp_path / "inbox", "folder", tmp_path / "data/raw")
    assert index["label"].to_dict() == {"1.png": "covid", "2.png": "normal"}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("image,pateint\n", r"unknown column 'pateint' \(did you mean 'patient'\?\)"),
        ("image;label\n", "unknown column 'image;label'.*separated by commas"),
        ("patient,label\n", "no column image"),
        ("image\ncovid/1.png\ncovid/1.png\n", "names covid/1.png twice"),
        ("image\n/etc/passwd\n", "'/etc/passwd' is no path inside the folder"),
        ("image\n../1.png\n", "'../1.png' is no path inside the folder"),
        ("image\n./covid/1.png\n", "'./covid/1.png' is no path inside the folder"),
        ("image,mask\ncovid/1.png,/m.png\n", "'/m.png' is no path inside the folder"),
        ("image,sex\ncovid/1.png,woman\n", "sex: 'woman' is invalid. Write F, M or nothing"),
        ("image,age\ncovid/1.png,old\n", "age: 'old' is invalid. Write years"),
        ("image,official_split\ncovid/1.png,holdout\n", "official_split: 'holdout' is invalid"),
    ],
)
def test_a_mistake_in_the_table_is_one_line(tmp_path: Path, table: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        brought(hospital(tmp_path / "inbox", table), "folder", tmp_path / "data/raw")
    assert "\n" not in str(caught.value)


def test_a_table_in_another_encoding_is_one_line(tmp_path: Path) -> None:
    inbox = hospital(tmp_path / "inbox", "image,patient\ncovid/1.png,Müller\n", "latin-1")
    with pytest.raises(UserError, match="no readable CSV in UTF-8"):
        brought(inbox, "folder", tmp_path / "data/raw")
