"""From the labels that a data set was published with to the classes of the task."""

import pandas as pd

from cxr.pipeline.errors import UserError
from cxr.pipeline.params import Params


def classes(images: pd.DataFrame, params: Params) -> pd.Series:
    """The class of each image, by `labels:` of params.yaml.

    Args:
        images: table `Images`; its `label` is as published.

    Returns:
        str, index as given; "" where the image has no label or its label maps to no class.

    Raises:
        UserError: if a data set has a mapping and a label is not in it.
    """
    mapped = images["label"].copy()
    for dataset, labels in images["label"].groupby(images["dataset"]):
        key, mapping = mapping_of(str(dataset), params)
        if mapping is not None:
            check_mapped(labels, key, mapping)
            mapped[labels.index] = labels.map({**mapping, "": ""})
    return mapped


def mapping_of(dataset: str, params: Params) -> tuple[str, dict[str, str] | None]:
    """The mapping of a data set, None if it keeps its labels, and the mapping's key.

    A union may map the labels of a data set in another way than the data set alone.
    """
    if params.dataset == "union" and dataset in params.union.labels:
        return f"union.labels.{dataset}", params.union.labels[dataset]
    return f"labels.{dataset}", params.labels.get(dataset)


def check_mapped(labels: pd.Series, key: str, mapping: dict[str, str]) -> None:
    """Raise a UserError if a label is not in the mapping."""
    seen = sorted(set(labels) - {""})
    unmapped = [label for label in seen if label not in mapping]
    if unmapped:
        raise UserError(
            f"params.yaml: {key} has no line for {', '.join(map(repr, unmapped))}. "
            f"The labels seen are {', '.join(map(repr, seen))}: map each to a class, or to '' to "
            "leave its images out."
        )
