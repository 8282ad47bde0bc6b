from pathlib import Path

import pandas as pd
import pytest

from stages import tables
from stages.command import UserError
from stages.download import inbox, layouts


def files(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def by_image(table: pd.DataFrame) -> dict[str, tuple[str, str]]:
    return {row.image: (row.label, row.official_split) for row in table.itertuples()}


def test_class_folders_with_and_without_a_split(tmp_path: Path) -> None:
    plain = files(tmp_path / "a", "COVID/1.png", "COVID/sub/2.jpg", "Normal/1.png")
    assert by_image(layouts.folder(plain)) == {
        "COVID/1.png": ("COVID", ""),
        "COVID/sub/2.jpg": ("COVID", ""),
        "Normal/1.png": ("Normal", ""),
    }
    split = files(
        tmp_path / "b", "Train/A/1.png", "Train/B/1.png", "validation/A/1.png", "test/B/2.png"
    )
    assert by_image(layouts.folder(split)) == {
        "Train/A/1.png": ("A", "train"),
        "Train/B/1.png": ("B", "train"),
        "validation/A/1.png": ("A", "val"),
        "test/B/2.png": ("B", "test"),
    }


def test_wrapping_folders_and_clutter_are_passed_over(tmp_path: Path) -> None:
    root = files(
        tmp_path, "set/data/A/1.png", "set/data/B/1.png", "set/data/A/.DS_Store",
        "set/data/B/Thumbs.db", "__MACOSX/set/data/A/1.png",
    )  # fmt: skip
    assert sorted(by_image(layouts.folder(root))) == ["set/data/A/1.png", "set/data/B/1.png"]


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    root = files(tmp_path, "A/1.png", "B/1.png")
    (root / "C").mkdir()
    with pytest.raises(UserError, match=r"C: this class has no images"):
        layouts.folder(root)


@pytest.mark.parametrize("names", [[], ["1.png", "2.png"], ["A/1.png"]])
def test_no_classes_is_one_line_that_tells_the_layout(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(UserError, match="one sub-folder for each class"):
        layouts.folder(files(tmp_path, *names))


def test_covid19_image_calls_its_second_part_test(tmp_path: Path) -> None:
    root = files(
        tmp_path, "Covid19-dataset/train/Covid/1.jpg", "Covid19-dataset/train/Normal/1.jpg",
        "Covid19-dataset/val/Covid/2.jpg", "Covid19-dataset/val/Normal/2.jpg",
    )  # fmt: skip
    table = layouts.covid19_image(root)
    assert table["official_split"].tolist() == ["train", "train", "test", "test"]


METADATA = """patientid,offset,finding,view,folder,filename
1,0,COVID-19,PA,images,a.jpg
1,3,COVID-19,L,images,b.png
2,0,SARS,AP,volumes,c.nii.gz
2,0,SARS,AP,volumes,c.nii.gz
"""


def covid_chestxray(root: Path, metadata: str = METADATA) -> Path:
    files(root, "images/a.jpg", "images/b.png", "images/extra.png",
          "annotations/lungVAE-masks/a_mask.png")  # fmt: skip
    (root / "metadata.csv").write_text(metadata)
    return root


def test_covid_chestxray_lists_rows_without_file_and_files_without_row(tmp_path: Path) -> None:
    table = layouts.covid_chestxray(covid_chestxray(tmp_path)).set_index("image")
    assert sorted(table.index) == ["images/a.jpg", "images/b.png", "images/extra.png",
                                   "volumes/c.nii.gz"]  # fmt: skip
    assert table.loc["images/a.jpg", ["label", "patient", "view", "mask"]].tolist() == [
        "COVID-19", "1", "PA", "annotations/lungVAE-masks/a_mask.png",
    ]  # fmt: skip
    assert table.loc["images/extra.png", ["label", "patient", "view", "mask"]].tolist() == [""] * 4
    tables.Index.validate(table.reset_index())


def test_rows_that_disagree_on_an_image_are_refused(tmp_path: Path) -> None:
    disagreeing = METADATA + "9,0,ARDS,PA,images,a.jpg\n"
    with pytest.raises(UserError, match=r"disagree on images/a\.jpg"):
        layouts.covid_chestxray(covid_chestxray(tmp_path, disagreeing))


def test_metadata_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no column patientid"):
        layouts.covid_chestxray(covid_chestxray(tmp_path, "finding,view,folder,filename\n"))
    (tmp_path / "metadata.csv").unlink()
    with pytest.raises(UserError, match="no readable metadata"):
        layouts.covid_chestxray(tmp_path)


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tgz", "tar"])
def test_an_archive_is_read_like_the_folder(tmp_path: Path, form: str) -> None:
    import shutil

    root = files(tmp_path / "covid19_image", "train/A/1.png", "train/B/1.png", "test/A/2.png")
    kind = {"zip": "zip", "tar": "tar"}.get(form, "gztar")
    made = Path(shutil.make_archive(str(tmp_path / "made"), kind, root))
    box = tmp_path / "inbox"
    box.mkdir()
    made.rename(box / f"covid19_image.{form}")
    material = inbox.find(box, "covid19_image", "page")
    with inbox.opened(material, near=tmp_path) as folder:
        assert by_image(layouts.covid19_image(folder)) == by_image(layouts.covid19_image(root))
    assert not list(tmp_path.glob(".unpacked-*"))


def test_an_inbox_without_the_data_set_says_where_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "covid19_image").mkdir()
    with pytest.raises(UserError, match=r"https://page.*covid19_image\.zip"):
        inbox.find(tmp_path, "covid19_image", "https://page")


def test_a_damaged_archive_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "covid19_image.zip").write_bytes(b"PK\x03\x04 no more")
    with (
        pytest.raises(UserError, match="can't be unpacked"),
        inbox.opened(tmp_path / "covid19_image.zip", near=tmp_path),
    ):
        pass
