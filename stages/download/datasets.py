"""The data sets by name: where each comes from and how its layout is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stages.command import UserError
from stages.download import layouts
from stages.params import nearest


@dataclass(frozen=True)
class Dataset:
    """A data set that lies in the inbox.

    Attributes:
        page: where a person can get it.
        layout: from its folder to the table `Index`.
    """

    page: str
    layout: Callable[[Path], pd.DataFrame]


DATASETS = {
    "covid_chestxray": Dataset(
        "https://www.kaggle.com/datasets/bachrr/covid-chest-xray", layouts.covid_chestxray
    ),
    "covid19_image": Dataset(
        "https://www.kaggle.com/datasets/pranavraikokte/covid19-image-dataset",
        layouts.covid19_image,
    ),
    "folder": Dataset("", layouts.folder),
}

NAMES = ("phantom", *DATASETS)


def check_name(name: str) -> None:
    """Raise a UserError if there is no data set of this name."""
    if name not in NAMES:
        raise UserError(
            f"params.yaml: dataset: there is no '{name}'{nearest(name, list(NAMES))}. "
            f"There are: {', '.join(NAMES)}."
        )
