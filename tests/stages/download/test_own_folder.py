"""A hospital's own images, with a table that tells what is known of them."""

from pathlib import Path

import pytest

from cxr.pipeline.errors import UserError
from tests.helpers.sets import files_in, lay, obtained, zip_of


def hospital(root: Path, table: str, encoding: str = "utf-8") -> Path:
    lay(root, "covid/1.png", "covid/2.png", "normal/3.png", "README.md")
    (root / "index.csv").write_text(table, encoding)
    return root


def test_a_table_adds_patients_to_class_folders(tmp_path: Path) -> None:
    table = "image,patient,view,sex,age,official_split,source\n"
    rows = "covid/1.png,p1,PA,female,61,Train,west\ncovid/2.png,p1,,m,,testing,\n"
    inbox = hospital(tmp_path / "inbox", table + rows)
    index = obtained(inbox, "folder", tmp_path / "data/raw").drop(
        columns=["dataset", "mask", "lesion"]
    )
    assert index.loc["covid/1.png"].tolist() == ["covid", "p1", "west", "train", "PA", "F", "61"]
    assert index.loc["covid/2.png"].tolist() == ["covid", "p1", "folder", "test", "", "M", ""]
    assert index.loc["normal/3.png"].tolist() == ["normal", "", "folder", "", "", "", ""]


def test_a_table_with_labels_needs_no_class_folders(tmp_path: Path) -> None:
    lay(tmp_path / "inbox", "all/1.png", "all/2.png", "all/3.png", "masks/1.png", "lesions/1.png")
    rows = (
        "image,label,mask,lesion\nall/1.png,covid,masks/1.png,lesions/1.png\n"
        "all/2.png,normal,,\nall/9.png,covid,,\n"
    )
    (tmp_path / "inbox/index.csv").write_text("\ufeff" + rows)
    index = obtained(tmp_path / "inbox", "folder", tmp_path / "data/raw")
    assert index["label"].to_dict() == {
        "all/1.png": "covid",
        "all/2.png": "normal",
        "all/3.png": "",  # in no row
        "all/9.png": "covid",  # no file
    }
    assert index.loc["all/1.png", "mask"] == "masks/1.png"
    assert index["lesion"].to_dict() == dict.fromkeys(index.index, "") | {
        "all/1.png": "lesions/1.png"
    }
    there = ["all/1.png", "all/2.png", "all/3.png", "lesions/1.png", "masks/1.png"]
    assert files_in(tmp_path / "data/raw") == there


def test_images_beside_the_table_are_found(tmp_path: Path) -> None:
    lay(tmp_path / "inbox", "1.png", "2.png")
    (tmp_path / "inbox/index.csv").write_text("image,label\n1.png,covid\n2.png,normal\n")
    index = obtained(tmp_path / "inbox", "folder", tmp_path / "data/raw")
    assert index["label"].to_dict() == {"1.png": "covid", "2.png": "normal"}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("image,pateint\n", r"unknown column 'pateint' \(did you mean 'patient'\?\)"),
        ("image;label\n", "unknown column 'image;label'.*separated by commas"),
        ("patient,label\n", "no column image"),
        ("image\ncovid/1.png\ncovid/1.png\n", "lists covid/1.png twice"),
        ("image\n/etc/passwd\n", "'/etc/passwd' is not a path inside the folder"),
        ("image\n../1.png\n", "'../1.png' is not a path inside the folder"),
        ("image\n./covid/1.png\n", "'./covid/1.png' is not a path inside the folder"),
        ("image\ncovid/1.jpg\n", "no file 'covid/1.jpg'; do you mean 'covid/1.png'"),
        ("image\nwrong/1.png\n", "no file 'wrong/1.png'; do you mean 'covid/1.png'"),
        (
            "image\na/7.png\na/8.png\n",
            "none of its 2 images exists; the name most similar to 'a/7.png' is ",
        ),
        ("image,age\ncovid/1.png,50+\ncovid/2.png,early 40s\n", "'50\\+'.*'early 40s'"),
        ("image,mask\ncovid/1.png,/m.png\n", "'/m.png' is not a path inside the folder"),
        ("image,sex\ncovid/1.png,woman\n", "sex: 'woman' is invalid: write F, M or nothing"),
        ("image,age\ncovid/1.png,old\n", "age: 'old' is invalid: write years"),
        ("image,official_split\ncovid/1.png,holdout\n", "official_split: 'holdout' is invalid"),
    ],
)
def test_a_mistake_in_the_table_is_one_line(tmp_path: Path, table: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        obtained(hospital(tmp_path / "inbox", table), "folder", tmp_path / "data/raw")
    assert "\n" not in str(caught.value)


def test_a_table_in_another_encoding_is_one_line(tmp_path: Path) -> None:
    inbox = hospital(tmp_path / "inbox", "image,patient\ncovid/1.png,Müller\n", "latin-1")
    with pytest.raises(UserError, match="not a CSV file in UTF-8"):
        obtained(inbox, "folder", tmp_path / "data/raw")


def test_names_are_found_bare_with_backslash_or_in_another_unicode_form(tmp_path: Path) -> None:
    root = lay(tmp_path / "inbox", "covid/1.png", "covid/2.png", "normal/e\u0301.png")
    rows = "1.png,p1\ncovid\\2.png,p2\nnormal/\u00e9.png,p3\n"
    (root / "index.csv").write_text("image,patient\n" + rows)
    index = obtained(root, "folder", tmp_path / "data/raw")
    expected = {"covid/1.png": "p1", "covid/2.png": "p2", "normal/e\u0301.png": "p3"}
    assert index["patient"].to_dict() == expected


def test_other_columns_and_empty_rows_are_ignored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = "Unnamed: 0,image,patient,notes\n0,covid/1.png,p1,seen\n,,,\n,,,\n"
    index = obtained(hospital(tmp_path / "inbox", table), "folder", tmp_path / "data/raw")
    assert index["patient"].to_dict() == {
        "covid/1.png": "p1",
        "covid/2.png": "",
        "normal/3.png": "",
    }
    assert "column 'notes' is ignored" in capsys.readouterr().out


def test_the_table_is_found_where_the_class_folders_are(tmp_path: Path) -> None:
    root = lay(tmp_path / "inbox", "set/covid/1.png", "set/normal/2.png")
    (root / "set/Index.csv").write_text("image,patient\ncovid/1.png,p1\n")
    index = obtained(root, "folder", tmp_path / "data/raw")
    assert index["patient"].to_dict() == {"set/covid/1.png": "p1", "set/normal/2.png": ""}
    (root / "set/covid/index.csv").write_text("image,patient\n")
    with pytest.raises(UserError, match=r"set/covid/index\.csv: put one table index\.csv into"):
        obtained(root, "folder", tmp_path / "data/raw2")


def test_an_archive_beside_the_page_of_the_inbox_is_unpacked(tmp_path: Path) -> None:
    made = lay(tmp_path / "made", "covid/1.png", "normal/2.png")
    zip_of(made, tmp_path / "inbox/archive.zip")
    (tmp_path / "inbox/README.md").write_text("read me")
    index = obtained(tmp_path / "inbox", "folder", tmp_path / "data/raw")
    assert index["label"].to_dict() == {"covid/1.png": "covid", "normal/2.png": "normal"}


def test_a_table_beside_an_archive_is_refused(tmp_path: Path) -> None:
    made = lay(tmp_path / "made", "covid/1.png", "normal/2.png")
    zip_of(made, tmp_path / "inbox/archive.zip")
    (tmp_path / "inbox/index.csv").write_text("image,patient\ncovid/1.png,p1\n")
    with pytest.raises(UserError, match=r"index.csv: lies beside archive.zip.*unpack it here"):
        obtained(tmp_path / "inbox", "folder", tmp_path / "data/raw")
