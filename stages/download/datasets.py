"""The data sets by name: where each is downloaded, and which function reads its layout."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stages.download.sources.class_folders import class_folders
from stages.download.sources.covid_chestxray import covid_chestxray
from stages.download.sources.layouts import covid19_image, covid_xray_5k
from stages.download.sources.own_folder import folder
from stages.download.sources.radiography import radiography


@dataclass(frozen=True)
class Dataset:
    """A data set that is taken from the inbox or downloaded.

    Attributes:
        layout: reads its folder into rows of the table `Index`.
        page: the web page where a person can download it; empty for the user's own data.
        url: kaggle:owner/name or the https address of an archive.
    """

    layout: Callable[[Path], pd.DataFrame]
    page: str = ""
    url: str = ""


def kaggle(layout: Callable[[Path], pd.DataFrame], name: str) -> Dataset:
    """A data set on Kaggle, by its name there: owner/name."""
    return Dataset(layout, f"https://www.kaggle.com/datasets/{name}", f"kaggle:{name}")


DATASETS = {
    "radiography": kaggle(radiography, "tawsifurrahman/covid19-radiography-database"),
    "covid_chestxray": kaggle(covid_chestxray, "bachrr/covid-chest-xray"),
    "covid19_image": kaggle(covid19_image, "pranavraikokte/covid19-image-dataset"),
    "chest4_tb": kaggle(class_folders, "jtiptj/chest-xray-pneumoniacovid19tuberculosis"),
    "covid_xray_5k": Dataset(
        covid_xray_5k,
        "https://github.com/shervinmin/DeepCovid/tree/master/data",
        "https://www.dropbox.com/scl/fi/ajy4i9u4bjt4ho3dz4l37/data_upload_v3.zip"
        "?rlkey=kyh5oz91vykk7cao6jiip4dyn&dl=1",
    ),
    "folder": Dataset(folder),
}
