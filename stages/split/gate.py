"""The leak gate: no patient, group, file, duplicate or alike image may be in two splits."""

import pandas as pd

from cxr.pipeline.errors import UserError

MAX_SHOWN = 5
# Number and share of the images that hardly any patient has.
LARGE = 20
LARGE_SHARE = 0.1


def find_leaks(images: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, list[tuple[str, str]]]:
    """Find pairs of images in two different splits that share what must not be shared.

    Nothing that grouped images or assigned the splits is trusted, only what images are and what
    pairs were found to show.

    Args:
        images: with `image`, `patient`, `split_group`, `sha256` and `split`.
        pairs: table `Pairs`.

    Returns:
        for patient, split_group, sha256, near and alike: pairs of image names.
    """
    images = images[images["split"] != ""]
    keys = ("patient", "split_group", "sha256")
    leaks = {key: shared_between_splits(images, key) for key in keys}
    split = images.set_index("image")["split"]
    first, second = pairs["first"].map(split), pairs["second"].map(split)
    across = pairs[first.notna() & second.notna() & (first != second)]
    for name, kinds in (("near", ("file", "exposure")), ("alike", ("alike",))):
        found = across[across["kind"].isin(kinds)]
        leaks[name] = list(zip(found["first"], found["second"], strict=True))
    return leaks


def shared_between_splits(images: pd.DataFrame, key: str) -> list[tuple[str, str]]:
    """For each value of a column that occurs in two splits, an image of each."""
    known = images[images[key] != ""].drop_duplicates([key, "split"])
    shared = known[known[key].duplicated(keep=False)].groupby(key)["image"]
    return [(names.iloc[0], names.iloc[1]) for _, names in shared]


def check_leaks(leaks: dict[str, list[tuple[str, str]]]) -> dict[str, int]:
    """Return the number of leaks of each kind, which is 0.

    Raises:
        UserError: for the first kind of leak, naming up to five pairs of images.
    """
    for kind, pairs in leaks.items():
        if pairs:
            named = "; ".join(f"{first} and {second}" for first, second in pairs[:MAX_SHOWN])
            raise UserError(
                f"leak: {len(pairs)} pairs of images in different splits share their {kind}: "
                f"{named}. A table was edited by hand, or the pipeline has a bug: remove "
                "data/split.csv, data/pairs.csv and data/duplicates.csv and run `dvc repro` again."
            )
    return dict.fromkeys(leaks, 0)


def warn_of_large_patients(usable: pd.DataFrame) -> None:
    """Print patients with a large share of the images, whose id may be a placeholder."""
    known = usable["patient"][usable["patient"] != ""]
    for patient, count in known.value_counts().items():
        if count > max(LARGE, LARGE_SHARE * len(usable)):
            print(
                f"warning: patient '{patient}' has {count} of {len(usable)} images, which are kept "
                "in one split: is it the id of one person?"
            )


def check_classes(counts: pd.DataFrame, test_sources: list[str]) -> None:
    """Require two or more classes, each of them in train, val and test.

    Args:
        counts: number of images by class (rows) and status (columns).
        test_sources: the parameter `split.test_sources`, a possible cause.

    Raises:
        UserError: naming the class and the status of its images.
    """
    classes = [name for name in counts.index if name]
    if len(classes) < 2:
        raise UserError(
            f"a classifier needs two or more classes, but the labels give {len(classes)}"
            f"{': ' + classes[0] if classes else ''}. See `labels:` in params.yaml."
        )
    for name, row in counts.iterrows():
        if name and (row[["train", "val", "test"]] == 0).any():
            remedy = (
                "Choose other split.test_sources"
                if test_sources
                else "Add images, lower split.folds"
            )
            statuses = ", ".join(f"{number} {status}" for status, number in row.items() if number)
            raise UserError(
                f"class '{name}' is not in each of train, val and test. Its {row.sum()} images: "
                f"{statuses}. {remedy}, or map its labels to another class or to '' under "
                "`labels:` (for a union: `union.labels:`) in params.yaml."
            )
