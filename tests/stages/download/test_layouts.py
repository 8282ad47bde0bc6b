from pathlib import Path

import pandas as pd
import pytest

from cxr.datasets.names import DATASETS as NAMES
from cxr.pipeline.errors import UserError
from stages.download.datasets import DATASETS
from stages.download.fetch import inbox
from stages.download.sources import layouts
from stages.download.sources.class_folders import class_folders
from stages.download.sources.covid_chestxray import covid_chestxray
from tests.helpers.sets import lay


def test_the_settings_know_every_data_set_by_its_name() -> None:
    assert tuple(DATASETS) == NAMES


def by_image(table: pd.DataFrame) -> dict[str, tuple[str, str]]:
    return {row.image: (row.label, row.official_split) for row in table.itertuples()}


def test_class_folders_with_and_without_a_split(tmp_path: Path) -> None:
    plain = lay(tmp_path / "a", "COVID/1.png", "COVID/sub/2.jpg", "Normal/1.png")
    assert by_image(class_folders(plain)) == {
        "COVID/1.png": ("COVID", ""),
        "COVID/sub/2.jpg": ("COVID", ""),
        "Normal/1.png": ("Normal", ""),
    }
    split = lay(
        tmp_path / "b", "Train/A/1.png", "Train/B/1.png", "validation/A/1.png", "test/B/2.png"
    )
    assert by_image(class_folders(split)) == {
        "Train/A/1.png": ("A", "train"),
        "Train/B/1.png": ("B", "train"),
        "validation/A/1.png": ("A", "val"),
        "test/B/2.png": ("B", "test"),
    }


def test_wrapping_folders_and_clutter_are_passed_over(tmp_path: Path) -> None:
    root = lay(
        tmp_path, "set/data/A/1.png", "set/data/B/1.png", "set/data/A/.DS_Store",
        "set/data/B/Thumbs.db", "__MACOSX/set/data/A/1.png",
    )  # fmt: skip
    assert sorted(by_image(class_folders(root))) == ["set/data/A/1.png", "set/data/B/1.png"]


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    root = lay(tmp_path, "A/1.png", "B/1.png")
    (root / "C").mkdir()
    with pytest.raises(UserError, match=r"C: this class has no images"):
        class_folders(root)


@pytest.mark.parametrize("names", [[], ["1.png", "2.png"], ["A/1.png"]])
def test_no_classes_is_one_line_that_tells_the_layout(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(UserError, match="one sub-folder for each class"):
        class_folders(lay(tmp_path, *names))


def test_a_single_class_is_named_with_its_images(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Found, with number of images: only/ \(2\)\. Put"):
        class_folders(lay(tmp_path, "only/1.png", "only/2.png"))


def test_covid19_image_calls_its_second_part_test(tmp_path: Path) -> None:
    root = lay(
        tmp_path, "Covid19-dataset/train/Covid/1.jpg", "Covid19-dataset/train/Normal/1.jpg",
        "Covid19-dataset/val/Covid/2.jpg", "Covid19-dataset/val/Normal/2.jpg",
    )  # fmt: skip
    table = layouts.covid19_image(root)
    assert table["official_split"].tolist() == ["train", "train", "test", "test"]


def test_rows_of_one_file_are_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        *("1,COVID-19,PA,images,a.jpg", "1,COVID-19,PA,images,a.jpg"),
        *("2,COVID-19,PA,images,b.jpg", "1,COVID-19,AP,images,b.jpg"),
        *("3,ARDS,PA,images,c.jpg", "3,SARS,PA,images,c.jpg", "2,SARS,PA,images,d.jpg"),
        *("4,SARS,PA,images,e.jpg", "2,SARS,PA,images,e.jpg", "5,SARS,PA,images,f.jpg"),
    ]
    header = "patientid,finding,view,folder,filename\n"
    (tmp_path / "metadata.csv").write_text(header + "\n".join(rows) + "\n")
    table = covid_chestxray(tmp_path).set_index("image")
    assert table["patient"].tolist() == ["1", "1", "3", "1", "1", "5"]
    labels = ["COVID-19", "COVID-19", "", "SARS", "SARS", "SARS"]
    assert table["label"].tolist() == labels
    assert table.loc["images/b.jpg", "view"] == ""
    printed = capsys.readouterr().out
    assert "images/b.jpg: patients 1 and 2 share this file" in printed
    assert "images/c.jpg: has the labels ARDS and SARS, and is left unlabelled" in printed


def test_both_archives_of_covid_xray_5k_give_the_same_labels(tmp_path: Path) -> None:
    names = ["test/covid/1.jpg", "train/covid/2.jpg", "train/non/3.jpg"]
    flat = lay(tmp_path / "v3", *names, "test/non/patient00008-study2-view1_frontal.jpg")
    deep = lay(tmp_path / "v2", *names, "test/non/Edema/patient00008-study2-view1_frontal.jpg")
    tables = [layouts.covid_xray_5k(root) for root in (flat, deep)]
    columns = ["label", "official_split", "patient"]
    rows = [sorted(map(tuple, table[columns].to_numpy())) for table in tables]
    assert rows[0] == rows[1]
    assert ("non", "test", "patient00008") in rows[0]


def test_metadata_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"metadata\.csv: cannot be read"):
        covid_chestxray(tmp_path)
    (tmp_path / "metadata.csv").write_text("finding,view,folder,filename\n")
    with pytest.raises(UserError, match="no column patientid"):
        covid_chestxray(tmp_path)


def test_files_beside_the_classes_are_listed_as_unlabelled(tmp_path: Path) -> None:
    root = lay(tmp_path, "train/A/1.png", "train/B/1.png", "train/loose.png", "extra/2.png")
    lay(root, "README.md", "about.txt")
    assert by_image(class_folders(root)) == {
        "train/A/1.png": ("A", "train"),
        "train/B/1.png": ("B", "train"),
        "train/loose.png": ("", ""),
        "extra/2.png": ("", ""),
    }


def test_a_link_back_up_is_refused(tmp_path: Path) -> None:
    root = lay(tmp_path / "in", "A/1.png", "B/1.png")
    (root / "A/up").symlink_to(root)
    with pytest.raises(UserError, match="leads to a folder above it"):
        class_folders(root)


def test_a_name_that_no_table_can_hold_is_refused(tmp_path: Path) -> None:
    root = lay(tmp_path, "A/1.png", "B/1.png", "B/line\nbreak.png")
    with pytest.raises(UserError, match=r"rename 'line\\nbreak\.png'"):
        class_folders(root)


def test_a_name_that_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    index = pd.DataFrame({"image": ["../secret.png"], "mask": [""], "lesion": [""]})
    with pytest.raises(UserError, match="leads out of its folder"):
        inbox.transfer_files(index, lay(tmp_path / "in", "a.png"), tmp_path / "raw", keep=True)


def test_the_split_is_found_beside_other_folders_of_a_repository(tmp_path: Path) -> None:
    root = lay(
        tmp_path, "mini/data/train/A/1.png", "mini/data/train/B/1.png", "mini/data/test/A/2.png",
        "mini/data/test/B/2.png", "mini/figures/plot.png", "mini/src/train.py",
    )  # fmt: skip
    assert by_image(class_folders(root)) == {
        "mini/data/train/A/1.png": ("A", "train"),
        "mini/data/train/B/1.png": ("B", "train"),
        "mini/data/test/A/2.png": ("A", "test"),
        "mini/data/test/B/2.png": ("B", "test"),
        "mini/figures/plot.png": ("", ""),
    }


def test_a_folder_of_code_is_no_class(tmp_path: Path) -> None:
    root = lay(tmp_path, "data/A/1.png", "data/B/1.png", "src/a.py", "src/b.ino")
    labels = {image: label for image, (label, _) in by_image(class_folders(root)).items()}
    assert labels == {"data/A/1.png": "A", "data/B/1.png": "B", "src/b.ino": ""}


def test_a_split_in_each_class_and_names_with_set_are_read(tmp_path: Path) -> None:
    root = lay(tmp_path / "a", "A/train/1.png", "A/test/2.png", "B/train/1.png", "B/test/2.png")
    assert by_image(class_folders(root)) == {
        "A/train/1.png": ("A", "train"),
        "A/test/2.png": ("A", "test"),
        "B/train/1.png": ("B", "train"),
        "B/test/2.png": ("B", "test"),
    }
    root = lay(tmp_path / "b", "Train_set/A/1.png", "Train_set/B/1.png", "Test-images/A/2.png")
    assert by_image(class_folders(root))["Train_set/A/1.png"] == ("A", "train")
    assert by_image(class_folders(root))["Test-images/A/2.png"] == ("A", "test")


def test_masks_are_paired_with_images_and_are_no_images(tmp_path: Path) -> None:
    root = lay(
        tmp_path, "Train/A/images/1.png", "Train/A/lung masks/1.png",
        "Train/A/infection masks/1.png", "Train/B/images/1.png", "Train/B/lung masks/1_mask.png",
        "Test/A/images/2.png", "Test/B/images/2.png",
    )  # fmt: skip
    masks = class_folders(root).set_index("image")["mask"]
    assert masks.to_dict() == {
        "Train/A/images/1.png": "Train/A/lung masks/1.png",
        "Train/B/images/1.png": "Train/B/lung masks/1_mask.png",
        "Test/A/images/2.png": "",
        "Test/B/images/2.png": "",
    }
    beside = lay(tmp_path / "beside", "images/A/1.png", "images/B/1.png", "masks/A/1.png")
    table = class_folders(beside).set_index("image")
    assert table["label"].to_dict() == {"images/A/1.png": "A", "images/B/1.png": "B"}
    assert table.loc["images/A/1.png", "mask"] == "masks/A/1.png"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["fold0/A/1.png", "fold1/A/1.png"], r"look like folds\. Found.*fold0/A/ \(1\), fold1/A/"),
        (
            ["x/Train/A/1.png", "x/Test/A/1.png", "y/Train/A/1.png", "y/Test/A/1.png"],
            r"several folders hold a split.* x/Test/ \(1\), .*Set `inbox:`",
        ),
        (
            ["north/A/1.png", "north/B/1.png", "south/A/1.png", "south/B/1.png"],
            "they all hold the same sub-folders",
        ),
    ],
)
def test_folders_that_can_be_read_in_several_ways_are_refused_with_their_tree(
    tmp_path: Path, names: list[str], words: str
) -> None:
    with pytest.raises(UserError, match=words) as caught:
        class_folders(lay(tmp_path, *names))
    assert "\n" not in str(caught.value)


def test_a_linked_folder_outside_is_refused(tmp_path: Path) -> None:
    root = lay(tmp_path / "in", "A/1.png")
    (root / "B").symlink_to(lay(tmp_path / "drive", "1.png"))
    with pytest.raises(UserError, match=r"B: is a link to .*drive, where DVC does not notice"):
        class_folders(root)


def test_names_with_special_spaces_are_accepted(tmp_path: Path) -> None:
    root = lay(tmp_path, "A/1\u202fPM.png", "B/1\u00a0.png")
    assert len(class_folders(root)) == 2
    (root / "B" / b"M\xfcller.png".decode("utf-8", "surrogateescape")).write_bytes(b"x")
    with pytest.raises(UserError, match="is not UTF-8"):
        class_folders(root)
