"""Map the published labels of data sets to the classes of the task."""

import pandas as pd

from cxr.datasets.default_labels import DEFAULT_LABELS
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import Params


def classes(images: pd.DataFrame, params: Params) -> pd.Series:
    """The class of each image, by `labels:` of params.yaml.

    Labels, and classes that are not mapped, are matched without regard to case and spaces. Of
    several spellings, the most frequent is used.

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
            known = {label_key(label): name for label, name in mapping.items()}
            target[labels.index] = labels.map(label_key).map({**known, "": ""})
    return one_spelling(target)


def label_key(label: str) -> str:
    """A key that is the same for all spellings of a label, which differ in case and spaces."""
    return " ".join(label.casefold().split())


def one_spelling(target: pd.Series) -> pd.Series:
    """Replace classes that differ only in case or spaces by the most frequent spelling."""
    counts = target.value_counts()
    # The most frequent first; equally frequent ones by name.
    order = sorted(counts.index, key=lambda name: (-counts[name], name))
    spelling = {label_key(name): name for name in reversed(order)}
    return target.map({name: spelling[label_key(name)] for name in order})


def mapping_of(dataset: str, params: Params) -> tuple[str, dict[str, str] | None]:
    """The mapping of a data set, None if it keeps its labels, and the mapping's key.

    `labels:` has priority over the default mapping of the data set. `union.labels` has priority
    over both if the data set is part of a union.
    """
    if params.dataset == "union" and dataset in params.union.labels:
        return f"union.labels.{dataset}", params.union.labels[dataset]
    mapping = {**DEFAULT_LABELS.get(dataset, {}), **params.labels.get(dataset, {})}
    return f"labels.{dataset}", mapping or None


def check_mapped(labels: pd.Series, key: str, mapping: dict[str, str]) -> None:
    """Raise a UserError with all labels that are not in the mapping, and their counts."""
    known = {label_key(label) for label in mapping} | {""}
    counts = labels[~labels.map(label_key).isin(known)].value_counts().sort_index()
    if len(counts):
        unmapped = ", ".join(f"'{label}' ({count})" for label, count in counts.items())
        raise UserError(
            f"params.yaml: {key} has no entry for these labels (images): {unmapped}. Map each to "
            "a class, or to '' to leave its images out."
        )
