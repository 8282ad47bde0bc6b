"""The covid-chestxray data set (Cohen et al. 2020, arXiv:2006.11988)."""

from pathlib import Path

import pandas as pd

from cxr.pipeline.errors import UserError
from stages.download.listing import descend, posix_files
from stages.download.sources.records import age, sex

REQUIRED = ["patientid", "finding", "view", "folder", "filename"]


def covid_chestxray(root: Path) -> pd.DataFrame:
    """Read metadata.csv, images/ and the lung masks in annotations/.

    The version of May 2020 (on Kaggle) and later ones (on GitHub) have the columns that are read
    here; sex and age may be missing. In `finding`, COVID-19 became Pneumonia/Viral/COVID-19. Rows
    of metadata.csv without a file and files without such a row both get a row in the result.
    """
    top = descend(root, until=lambda folder: (folder / "metadata.csv").is_file())
    prefix = "" if top == root else f"{top.relative_to(root).as_posix()}/"
    metadata = read_metadata(top / "metadata.csv")
    table = pd.DataFrame(
        {
            "image": prefix + metadata["folder"] + "/" + metadata["filename"],
            "label": metadata["finding"].str.strip(),
            "patient": metadata["patientid"].str.strip(),
            # Later versions have both spellings.
            "view": metadata["view"].str.strip().replace("AP erect", "AP Erect"),
            "sex": metadata.get("sex", pd.Series("", metadata.index)).map(sex),
            "age": metadata.get("age", pd.Series("", metadata.index)).map(age),
        }
    )
    table = one_row_per_file(table.drop_duplicates())
    without_row = sorted(set(posix_files(top / "images", root)) - set(table["image"]))
    table = pd.concat([table, pd.DataFrame({"image": without_row})], ignore_index=True).fillna("")
    folder = f"{prefix}annotations/lungVAE-masks"
    masks = set(posix_files(root / folder, root))
    table["mask"] = [
        mask if (mask := f"{folder}/{Path(image).stem}_mask.png") in masks else ""
        for image in table["image"]
    ]
    return table


def one_row_per_file(table: pd.DataFrame) -> pd.DataFrame:
    """Merge the rows of the same file, and print what was merged.

    Patients who share a file become one patient, because they can't be distinguished. Any other
    value on which the rows disagree becomes unknown: a file with two labels is unlabelled.
    """
    several = table[table["image"].duplicated(keep=False)]
    same: dict[str, str] = {}
    for image, rows in several.groupby("image"):
        patients = sorted({same.get(name, name) for name in rows["patient"]} - {""})
        joined = {name for name, first in same.items() if first in patients}
        same.update(dict.fromkeys([*patients, *joined], patients[0] if patients else ""))
        if len(patients) > 1:
            names = " and ".join(patients)
            print(f"{image}: patients {names} share this file and are treated as one.")
        if rows["label"].nunique() > 1:
            labels = " and ".join(sorted(set(rows["label"])))
            print(f"{image}: has the labels {labels}, and is left unlabelled.")
    table = table.assign(patient=table["patient"].replace(same))
    agreed = table.groupby("image", sort=False).agg(
        lambda values: values.iloc[0] if values.nunique() == 1 else ""
    )
    return agreed.reset_index()


def read_metadata(path: Path) -> pd.DataFrame:
    """Read metadata.csv as text.

    Raises:
        UserError: if it is missing or lacks a required column.
    """
    try:
        metadata = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}).") from error
    if missing := [name for name in REQUIRED if name not in metadata]:
        raise UserError(f"{path} has no column {', '.join(missing)}: is it the published file?")
    return metadata
