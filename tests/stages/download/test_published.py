"""Each data set as an archive in the layout in which it is really published."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cxr.datasets.labels import classes
from cxr.pipeline.errors import UserError
from tests.helpers.sets import PARAMS, SHARED, files_in, lay, obtained, workbook, zip_of

RSNA = "https://www.kaggle.com/c/rsna-pneumonia-detection-challenge/data"
SIRM = "https://sirm.org/category/senza-categoria/covid-19/"


def radiography(root: Path) -> None:
    top = root / "COVID-19_Radiography_Dataset"
    lay(
        top, "README.md.txt", "COVID/images/COVID-1.png", "COVID/images/COVID-2.png",
        "COVID/masks/COVID-1.png", "Normal/images/Normal-1.png", "Normal/masks/Normal-1.png",
        "Lung_Opacity/images/Lung_Opacity-1.png",
        "Viral Pneumonia/images/Viral Pneumonia-1.png",
    )  # fmt: skip
    # As published: the metadata write names in another case than the files.
    for label, names, url in [
        ("COVID", ["COVID-1", "COVID-2"], SIRM),
        ("Normal", ["NORMAL-1"], RSNA),
        ("Lung_Opacity", ["Lung_Opacity-1"], RSNA),
        ("Viral Pneumonia", ["Viral Pneumonia-1"], ""),
    ]:
        columns = {
            "FILE NAME": names,
            "FORMAT": ["PNG"] * len(names),
            "SIZE": ["256*256"] * len(names),
            "URL": [url] * len(names),
        }
        (top / f"{label}.metadata.xlsx").write_bytes(workbook(columns))


def old_radiography(root: Path) -> None:
    lay(root, "COVID/COVID (1).png", "NORMAL/NORMAL (1).png", "README.txt")
    columns = {"FILE NAME": ["COVID (1)"], "URL": [SIRM]}
    (root / "COVID.metadata.xlsx").write_bytes(workbook(columns))


def covid19_image(root: Path) -> None:
    for side in ("train", "test"):
        for label in ("Covid", "Normal", "Viral Pneumonia"):
            lay(root, f"Covid19-dataset/{side}/{label}/01.jpeg")


def chest4_tb(root: Path) -> None:
    for side in ("train", "val", "test"):
        for label in ("COVID19", "NORMAL", "PNEUMONIA", "TURBERCULOSIS"):
            lay(root, f"{side}/{label}/{label}(1).jpg")


ORIGINAL = "1-s2.0-S0140673620303706-fx1_lrg.jpg"
COPY = f"covid_original_{ORIGINAL}_0d1a5ba0-54b8-4b3a-9f9d-2f4a3d1a8b11.jpg"


def covid_xray_5k(root: Path) -> None:
    lay(
        root / "data_upload_v3", f"train/covid/{ORIGINAL}", f"train/covid/{COPY}",
        "train/covid/other.jpg", "train/non/Edema-patient00007-study1-view1_frontal.jpg",
        "test/covid/new.png", "test/non/Edema/patient00008-study2-view1_frontal.jpg",
        "test/non/No_Finding/patient00009-study1-view1_frontal.jpg",
    )  # fmt: skip


MAY_2020 = """patientid,offset,sex,age,finding,survival,view,modality,folder,filename,url,
2,0,M,65,COVID-19,Y,PA,X-ray,images,a.jpg,https://a.example,
2,3,,,"COVID-19, ARDS",Y,AP Supine,X-ray,images,b.png,https://a.example,
3,0,F,,SARS,,Axial,CT,volumes,c.nii.gz,https://a.example,
"""
LATER = """patientid,offset,sex,age,finding,RT_PCR_positive,survival,view,modality,folder,filename,
2,0,M,65,Pneumonia/Viral/COVID-19,Y,Y,PA,X-ray,images,a.jpg,
324b,,F,50.0,Pneumonia,,,L,X-ray,images,b.png,
5,0,,150,todo,,,AP erect,X-ray,images,c.png,
"""


def covid_chestxray(metadata: str, top: str) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        lay(root / top, "images/a.jpg", "images/b.png", "images/extra.png", "SCHEMA.md",
            "annotations/lungVAE-masks/a_mask.png", "annotations/lungVAE-masks/a_mask.png.png",
            "annotations/lungVAE-masks/README.md")  # fmt: skip
        (root / top / "metadata.csv").write_text(metadata)

    return make


Rows = dict[str, dict[str, str]]

TOP = "COVID-19_Radiography_Dataset"
GITHUB = "covid-chestxray-dataset-master"
SETS: dict[str, tuple[str, Callable[[Path], None], int, Rows]] = {
    "radiography": (
        "radiography",
        radiography,
        5,
        {
            f"{TOP}/COVID/images/COVID-1.png": {
                "label": "COVID",
                "source": SIRM,
                "mask": f"{TOP}/COVID/masks/COVID-1.png",
            },
            f"{TOP}/COVID/images/COVID-2.png": {"source": SIRM, "mask": ""},
            f"{TOP}/Normal/images/Normal-1.png": {"label": "Normal", "source": RSNA},
            f"{TOP}/Viral Pneumonia/images/Viral Pneumonia-1.png": {"source": "radiography"},
        },
    ),
    "radiography, older": (
        "radiography",
        old_radiography,
        2,
        {
            "COVID/COVID (1).png": {"label": "COVID", "source": SIRM, "mask": ""},
            "NORMAL/NORMAL (1).png": {"label": "NORMAL", "source": "radiography"},
        },
    ),
    "covid19_image": (
        "covid19_image",
        covid19_image,
        6,
        {
            "Covid19-dataset/train/Covid/01.jpeg": {"label": "Covid", "official_split": "train"},
            "Covid19-dataset/test/Normal/01.jpeg": {"label": "Normal", "official_split": "test"},
        },
    ),
    "chest4_tb": (
        "chest4_tb",
        chest4_tb,
        12,
        {
            "val/TURBERCULOSIS/TURBERCULOSIS(1).jpg": {
                "label": "TURBERCULOSIS",
                "official_split": "val",
                "source": "chest4_tb",
            }
        },
    ),
    "covid_xray_5k": (
        "covid_xray_5k",
        covid_xray_5k,
        7,
        {
            f"data_upload_v3/train/covid/{COPY}": {"label": "covid", "patient": ORIGINAL},
            f"data_upload_v3/train/covid/{ORIGINAL}": {"patient": ORIGINAL},
            "data_upload_v3/train/covid/other.jpg": {"patient": "", "official_split": "train"},
            "data_upload_v3/test/non/Edema/patient00008-study2-view1_frontal.jpg": {
                "label": "non",
                "patient": "patient00008",
                "official_split": "test",
            },
        },
    ),
    "covid_chestxray, May 2020": (
        "covid_chestxray",
        covid_chestxray(MAY_2020, ""),
        4,
        {
            "images/a.jpg": {
                "label": "COVID-19",
                "patient": "2",
                "view": "PA",
                "sex": "M",
                "age": "65",
                "mask": "annotations/lungVAE-masks/a_mask.png",
            },
            "images/b.png": {
                "label": "COVID-19, ARDS",
                "sex": "",
                "age": "",
                "mask": "",
            },
            "volumes/c.nii.gz": {"label": "SARS", "view": "Axial", "sex": "F"},
            "images/extra.png": {"label": "", "patient": "", "view": "", "age": ""},
        },
    ),
    "covid_chestxray, later": (
        "covid_chestxray",
        covid_chestxray(LATER, GITHUB),
        4,
        {
            f"{GITHUB}/images/a.jpg": {
                "label": "Pneumonia/Viral/COVID-19",
                "mask": f"{GITHUB}/annotations/lungVAE-masks/a_mask.png",
            },
            f"{GITHUB}/images/b.png": {"patient": "324b", "age": "50", "view": "L"},
            f"{GITHUB}/images/c.png": {"label": "todo", "age": "", "view": "AP Erect"},
        },
    ),
}


@pytest.mark.parametrize(("name", "make", "count", "rows"), SETS.values(), ids=list(SETS))
def test_a_published_archive_is_read(
    name: str, make: Callable[[Path], None], count: int, rows: Rows, tmp_path: Path
) -> None:
    make(tmp_path / "published")
    zip_of(tmp_path / "published", tmp_path / f"inbox/{name}.zip")
    table = obtained(tmp_path / "inbox", name, tmp_path / "data/raw")
    assert len(table) == count
    assert set(table["dataset"]) == {name}
    for image, row in rows.items():
        assert {key: table.loc[image, key] for key in row} == row
    there = {image for image in table.index if image and (tmp_path / "published" / image).is_file()}
    assert set(files_in(tmp_path / "data/raw")) == there | set(table["mask"]) - {""}
    assert files_in(tmp_path / "inbox") == [f"{name}.zip"]
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["raw"]


@pytest.mark.parametrize("metadata", [MAY_2020, LATER])
def test_both_states_of_covid_chestxray_have_their_labels_mapped(
    metadata: str, tmp_path: Path
) -> None:
    covid_chestxray(metadata, "")(tmp_path / "covid_chestxray")
    table = obtained(tmp_path, "covid_chestxray", tmp_path / "data/raw").reset_index()
    params = PARAMS.model_copy(update={"dataset": "covid_chestxray"})
    assert set(classes(table, params)) == {"COVID-19", "other", ""}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda top: (top / "COVID.metadata.xlsx").write_text("x"), "not a valid Excel workbook"),
        (
            lambda top: (top / "COVID.metadata.xlsx").write_bytes(workbook({"FILE NAME": ["a"]})),
            "has no column URL",
        ),
    ],
)
def test_metadata_of_another_kind_are_one_line(
    make: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    radiography(tmp_path / "radiography")
    make(tmp_path / f"radiography/{TOP}")
    with pytest.raises(UserError, match=words):
        obtained(tmp_path, "radiography", tmp_path / "data/raw")


def test_half_a_radiography_database_is_one_line(tmp_path: Path) -> None:
    lay(tmp_path / "radiography", "COVID/images/COVID-1.png")
    with pytest.raises(UserError, match="found 0 of the Radiography Database's class folders"):
        obtained(tmp_path, "radiography", tmp_path / "data/raw")


@pytest.mark.skipif(not SHARED.is_dir(), reason="real X-rays are not here (../shared/data)")
@pytest.mark.parametrize(
    ("name", "count", "labels", "masks"),
    [("covid_chestxray", 372, 11, 187), ("covid19_image", 317, 3, 0)],
)
def test_the_real_sets_are_read(
    name: str, count: int, labels: int, masks: int, tmp_path: Path
) -> None:
    table = obtained(SHARED, name, tmp_path / "data/raw")
    assert len(table) == count
    assert table["label"][table["label"] != ""].nunique() == labels
    assert (table["mask"] != "").sum() == masks


@pytest.mark.skipif(not SHARED.is_dir(), reason="real X-rays are not here (../shared/data)")
def test_real_class_folders_are_read(tmp_path: Path) -> None:
    table = obtained(SHARED / "tb4", "folder", tmp_path / "data/raw")
    counts = pd.crosstab(table["label"], table["official_split"])
    assert counts.to_numpy().tolist() == [[60, 170, 40]] * 4
