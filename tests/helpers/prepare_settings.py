"""Settings and tables for tests of prepare."""

import pandas as pd

from cxr.pipeline.params import Prepare

SETTINGS = Prepare(
    image_size=64, resize_mode="crop", views=["PA"], min_side=32, max_megapixels=100, backend="loky"
)


def index(names: list[str], **columns: object) -> pd.DataFrame:
    """The table `Index` of images in a folder."""
    known = {"image": names, "dataset": "d", "label": "a", "patient": "", "source": "s"}
    unknown = dict.fromkeys(["official_split", "view", "sex", "age", "mask", "lesion"], "")
    return pd.DataFrame({**known, **unknown}).assign(**columns)


def row(name: str, **columns: str) -> dict[str, str]:
    """One row of that table."""
    return index([name], **columns).iloc[0].to_dict()
