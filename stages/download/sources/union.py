"""Join several data sets."""

import pandas as pd


def join(indexes: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Join the indexes of several data sets.

    Paths and patient ids get the data set's name as a prefix, because patient 1 of one hospital is
    not patient 1 of another. Sources keep their names.

    Args:
        indexes: tables `Index` by the data set's name.

    Returns:
        table `Index`.
    """
    joined = [
        index.assign(
            **{
                column: index[column].where(index[column] == "", f"{name}/" + index[column])
                for column in ("image", "mask", "lesion", "patient")
            }
        )
        for name, index in indexes.items()
    ]
    return pd.concat(joined, ignore_index=True)
