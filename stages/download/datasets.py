"""The data sets by name: where each comes from and how its layout is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stages.command import UserError
from stages.download.covid_chestxray import covid_chestxray
from stages.download.layouts import class_folders, covid19_image, covid_xray_5k
from stages.download.own_folder import folder
from stages.download.radiography import radiography
from stages.params import Params, nearest


@dataclass(frozen=True)
class Dataset:
    """A data set that lies in the inbox or is fetched.

    Attributes:
        layout: from its folder to rows of the table `Index`.
        page: where a person can get it; empty if only the user has it.
        url: what is fetched: kaggle:owner/name or the https address of an archive.
    """

    layout: Callable[[Path], pd.DataFrame]
    page: str = ""
    url: str = ""


def kaggle(layout: Callable[[Path], pd.DataFrame], name: str) -> Dataset:
    """A data set that Kaggle has under owner/name."""
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

# What `union` can join.
PARTS = ("phantom", *DATASETS)
NAMES = (*PARTS, "union")


def parts(params: Params) -> list[str]:
    """The data sets to bring: those of the union, or the one.

    Raises:
        UserError: if a name is unknown, or the union is none.
    """
    check_name("dataset", params.dataset, NAMES)
    for key in ("urls", "sha256"):
        for name in getattr(params.download, key):
            check_name(f"download.{key}", name, tuple(DATASETS))
    for name in params.labels:
        check_name("labels", name, NAMES)
    for name in params.union.labels:
        check_name("union.labels", name, PARTS)
    if params.dataset != "union":
        return [params.dataset]
    for name in params.union.datasets:
        check_name("union.datasets", name, PARTS)
    if len(set(params.union.datasets)) < 2:
        raise UserError("params.yaml: union.datasets: name two or more data sets.")
    return sorted(set(params.union.datasets))


def needs_inbox(names: list[str]) -> bool:
    """Whether one of these data sets may lie in the inbox: all but the drawn one may."""
    return names != ["phantom"]


def check_name(key: str, name: str, names: tuple[str, ...]) -> None:
    """Raise a UserError if there is no data set of this name."""
    if name not in names:
        raise UserError(
            f"params.yaml: {key}: there is no '{name}'{nearest(name, list(names))}. "
            f"There are: {', '.join(names)}."
        )
