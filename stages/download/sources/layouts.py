"""Read published data sets in class folders; turn the table of any reader into an `Index`."""

import re
from pathlib import Path, PurePosixPath

import pandas as pd

from stages.download.sources.class_folders import class_folders

COLUMNS = [
    "image",
    "dataset",
    "label",
    "patient",
    "source",
    "official_split",
    "view",
    "sex",
    "age",
    "mask",
    "lesion",
]

# Augmentor's name of an augmented copy: <class>_original_<name of the original>_<uuid>.<suffix>
AUGMENTED = re.compile(r"^.*_original_(?P<name>.+)_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.\w+$")
# CheXpert's names begin with the patient, such as patient00123-study1-view1_frontal.jpg.
CHEXPERT = re.compile(r"patient\d+")


def as_index(table: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """Complete a reader's table: missing columns are unknown; a missing source is the data set.

    Args:
        table: `image` and any other columns of the table `Index`; "" = unknown.
    """
    known = {column: table[column].fillna("") for column in table}
    source = known.get("source", pd.Series("", index=table.index)).replace("", dataset)
    complete = {**dict.fromkeys(COLUMNS, ""), **known, "dataset": dataset, "source": source}
    return pd.DataFrame(complete, index=table.index)[COLUMNS].astype(str)


def covid19_image(root: Path) -> pd.DataFrame:
    """Read covid19-image-dataset: train/ and test/ with class folders.

    Some copies call the test folder `val`; there is never a third part.
    """
    table = class_folders(root)
    table["official_split"] = table["official_split"].replace("val", "test")
    return table


def covid_xray_5k(root: Path) -> pd.DataFrame:
    """Read COVID-Xray-5k: train/ and test/ with covid/ and non/; test/non/ has folders by finding.

    The images in non/ come from CheXpert, whose file names contain the patient. Some copies contain
    augmented images in train/covid/. These and their original get the original's name as their
    patient, so that they stay in one split.
    """
    table = class_folders(root)
    names = [PurePosixPath(image).name for image in table["image"]]
    originals = {found["name"] for name in names if (found := AUGMENTED.match(name))}
    table["patient"] = [patient_of(name, originals) for name in names]
    return table


def patient_of(name: str, originals: set[str]) -> str:
    """The patient in a file name of COVID-Xray-5k, or ""."""
    if found := AUGMENTED.match(name):
        return found["name"]
    if found := CHEXPERT.search(name):
        return found[0]
    return name if name in originals else ""
