"""From the labels that a data set was published with to the classes of the task."""

import pandas as pd

from stages.command import UserError
from stages.params import Params


def classes(images: pd.DataFrame, params: Params) -> pd.Series:
    """The class of each image, by `labels:` of params.yaml.

    Args:
        images: table `Images`; its `label` is as published.

    Returns:
        str, index as given; "" where the image has no label or its label maps to no class.

    Raises:
        UserError: if the data set has a mapping and a label is not in it.
    """
    mapping = params.labels.get(params.dataset)
    if mapping is None:
        return images["label"]
    seen = sorted(set(images["label"]) - {""})
    unmapped = [label for label in seen if label not in mapping]
    if unmapped:
        raise UserError(
            f"params.yaml: labels.{params.dataset} has no line for "
            f"{', '.join(map(repr, unmapped))}. "
            f"The labels seen are {', '.join(map(repr, seen))}: map each to a class, or to '' to "
            "leave its images out."
        )
    return images["label"].map({**mapping, "": ""})
