from pathlib import Path

import pandas as pd
import pytest

from cxr.datasets.names import DATASETS as NAMES
from cxr.pipeline.errors import UserError
from stages.download.datasets import DATASETS
from stages.download.fetch import inbox
from stages.download.sources import layouts
from stages.download.sources.covid_chestxray import covid_chestxray
from stages.download.sources.layouts import class_folders
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


def test_covid19_image_calls_its_second_part_test(tmp_path: Path) -> None:
    root = lay(
        tmp_path, "Covid19-dataset/train/Covid/1.jpg", "Covid19-dataset/train/Normal/1.jpg",
        "Covid19-dataset/val/Covid/2.jpg", "Covid19-dataset/val/Normal/2.jpg",
    )  # fmt: skip
    table = layouts.covid19_image(root)
    assert table["official_split"].tolist() == ["train", "train", "test", "test"]


def test_rows_that_disagree_on_an_image_are_refused(tmp_path: Path) -> None:
    rows = "1,COVID-19,PA,images,a.jpg\n1,COVID-19,PA,images,a.jpg\n"
    (tmp_path / "metadata.csv").write_text("patientid,finding,view,folder,filename\n" + rows)
    assert len(covid_chestxray(tmp_path)) == 1
    with (tmp_path / "metadata.csv").open("a") as file:
        file.write("9,ARDS,PA,images,a.jpg\n")
    with pytest.raises(UserError, match=r"disagree on images/a\.jpg"):
        covid_chestxray(tmp_path)


def test_metadata_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no readable metadata"):
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
    index = pd.DataFrame({"image": ["../secret.png"], "mask": [""]})
    with pytest.raises(UserError, match="leads out of its folder"):
        inbox.take(index, lay(tmp_path / "in", "a.png"), tmp_path / "raw", keep=True)
