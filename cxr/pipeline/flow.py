"""The summary that each data stage prints: how many images it keeps, and why not the others."""

import pandas as pd

NO_FILE = "no such file"
MANY_MISSING = 0.1
"""Share of missing files above which the data set is probably incomplete."""


def percentage(mask: pd.Series) -> str:
    """The share that is true, in whole percent."""
    return "less than 1%" if 0 < mask.mean() < 0.01 else f"{mask.mean():.0%}"


def print_flow(images: pd.Series, reason: pd.Series) -> None:
    """Print how many images are kept, and why the others are not; warn if many files are missing.

    Args:
        images: the names of all images of the stage.
        reason: why an image is left out; "" for those that are kept.
    """
    print(f"kept {(reason == '').sum()} of {len(images)} images")
    for text, count in reason[reason != ""].value_counts().sort_index().items():
        print(f"  {count} {text}")
    missing = images[reason.isin([NO_FILE, f"unusable: {NO_FILE}"])]
    if len(missing) > MANY_MISSING * len(images):
        print(
            f"warning: {len(missing)} of {len(images)} files are missing, such as "
            f"{missing.iloc[0]}: is the data set complete?"
        )
