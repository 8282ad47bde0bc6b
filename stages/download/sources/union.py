"""Several data sets as one."""

import pandas as pd


def join(indexes: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Put the indexes of data sets together.

    Paths begin with the data set's name, and so do patients: patient 1 of one hospital is not
    patient 1 of another. Sources keep their names.

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
