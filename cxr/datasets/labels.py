"""From the labels that a data set was published with to the classes of the task."""

import pandas as pd

from cxr.datasets.default_labels import DEFAULT_LABELS
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import Params


def classes(images: pd.DataFrame, params: Params) -> pd.Series:
    """The class of each image, by `labels:` of params.yaml.

    Labels, and classes that are not mapped, are matched without regard to case and spaces: of
    several spellings the most frequent is used.

    Args:
        images: table `Images`; its `label` is as published.

    Returns:
        str, index as given; "" where the image has no label or its label maps to no class.

    Raises:
        UserError: if a data set has a mapping and a label is not in it.
    """
    target = images["label"].copy()
    for dataset, labels in images["label"].groupby(images["dataset"]):
        key, mapping = mapping_of(str(dataset), params)
        if mapping is not None:
            check_mapped(labels, key, mapping)
            known = {normalized(label): name for label, name in mapping.items()}
            target[labels.index] = labels.map(normalized).map({**known, "": ""})
    return one_spelling(target)


def normalized(label: str) -> str:
    """A label without differences in case and spaces."""
    return " ".join(label.casefold().split())


def one_spelling(target: pd.Series) -> pd.Series:
    """Write classes that differ in case or spaces only as the most frequent of them."""
    counts = target.value_counts()
    # The most frequent first, of equals the first by name.
    order = sorted(counts.index, key=lambda name: (-counts[name], name))
    spelling = {normalized(name): name for name in reversed(order)}
    return target.map({name: spelling[normalized(name)] for name in order})


def mapping_of(dataset: str, params: Params) -> tuple[str, dict[str, str] | None]:
    """The mapping of a data set, None if it keeps its labels, and the mapping's key.

    `labels:` has priority over the default of the data set. A union may map the labels of a data
    set in another way than the data set alone.
    """
    if params.dataset == "union" and dataset in params.union.labels:
        return f"union.labels.{dataset}", params.union.labels[dataset]
    mapping = {**DEFAULT_LABELS.get(dataset, {}), **params.labels.get(dataset, {})}
    return f"labels.{dataset}", mapping or None


def check_mapped(labels: pd.Series, key: str, mapping: dict[str, str]) -> None:
    """Raise a UserError if a label is not in the mapping, naming all that are not with counts."""
    known = {normalized(label) for label in mapping} | {""}
    counts = labels[~labels.map(normalized).isin(known)].value_counts().sort_index()
    if len(counts):
        unmapped = ", ".join(f"'{label}' ({count})" for label, count in counts.items())
        raise UserError(
            f"params.yaml: {key} has no entry for these labels (images): {unmapped}. Map each to "
            "a class, or to '' to leave its images out."
        )
