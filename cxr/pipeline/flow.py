"""The last lines of a data stage: how many images go on, and why the others do not."""

import pandas as pd

NO_FILE = "no such file"
# More missing files than this share are probably no accident.
MANY_MISSING = 0.1


def print_flow(images: pd.Series, reason: pd.Series) -> None:
    """Print how many images go on, and why the others do not; warn if many files are missing.

    Args:
        images: the names of the stage's images.
        reason: why each of them does not go on; "" for those that do.
    """
    print(f"{(reason == '').sum()} of {len(images)} images go on")
    for text, count in reason[reason != ""].value_counts().sort_index().items():
        print(f"  {count} {text}")
    missing = images[reason.isin([NO_FILE, f"unusable: {NO_FILE}"])]
    if len(missing) > MANY_MISSING * len(images):
        print(
            f"warning: {len(missing)} of {len(images)} files are missing, such as "
            f"{missing.iloc[0]}: is the data set complete?"
        )
