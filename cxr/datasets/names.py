"""The names of the data sets, and which of them the settings select."""

from cxr.pipeline.errors import UserError
from cxr.pipeline.params import Params, nearest

DATASETS = (
    "radiography",
    "covid_chestxray",
    "covid19_image",
    "chest4_tb",
    "covid_xray_5k",
    "folder",
)
"""Data sets in the inbox or on the internet; stages/download/datasets.py has their addresses."""
PARTS = ("phantom", *DATASETS)
"""Data sets that `union` can combine."""
NAMES = (*PARTS, "union")


def parts(params: Params) -> list[str]:
    """The selected data set, or those of the union.

    Raises:
        UserError: if a name is unknown, or the union has fewer than two data sets.
    """
    check_name("dataset", params.dataset, NAMES)
    for key in ("urls", "sha256"):
        for name in getattr(params.download, key):
            check_name(f"download.{key}", name, DATASETS)
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
    """Whether one of these data sets may be in the inbox: all except the phantom."""
    return names != ["phantom"]


def check_name(key: str, name: str, names: tuple[str, ...]) -> None:
    """Raise a UserError if there is no data set of this name."""
    if name not in names:
        raise UserError(
            f"params.yaml: {key}: there is no '{name}'{nearest(name, list(names))}. "
            f"There are: {', '.join(names)}."
        )
