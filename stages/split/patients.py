"""Who is on an image, where no table says so: patients from file names, and what stays unknown."""

import re

import pandas as pd

from cxr.pipeline.errors import UserError
from cxr.pipeline.flow import percentage
from cxr.pipeline.params import SplitSettings

# What file names that hold a patient look like, the surest first.
PATTERNS = (
    # person12_bacteria_3.jpeg, patient00123/study1/view1.jpg
    r"(?:patient|person|subject|case)[ _-]?\d+",
    # smith_day1.png, A17-study2.jpg: what stands before it
    r"[^/]+(?=[ _-](?:day|visit|study|series|scan|exam)[ _-]?\d+)",
    # 00000013_005.png, IM-0115-0001.jpeg: what stands before the last number, if it has a number
    r"[^/]*\d[^/]*(?=[ _-]\d+\.[^./]+$)",
)
# A pattern is worth a suggestion if it fits this share of the images, ...
FITS = 0.1
# ... if this share of those have a name that others have too, ...
SHARED = 0.1
# ... and if no name is shared by more than this share of all images, as that of a class is.
LARGEST = 0.05
LARGEST_SMALL = 20


def name_patients(images: pd.DataFrame, pattern: str) -> pd.Series:
    """The patients of images, where they are unknown by what `pattern` finds in the file's path.

    Args:
        images: with `image` and `patient`.
        pattern: the parameter `split.patient_pattern`; "" = none. Its groups, or all of what it
            finds if it has none, are the patient's name.

    Raises:
        UserError: if it fits no image whose patient is unknown.
    """
    unknown = images["patient"] == ""
    if not pattern or not unknown.any():
        return images["patient"]
    named = images["image"].map(lambda name: patient_in(name, pattern))
    if not (named[unknown] != "").any():
        raise UserError(
            f"params.yaml: split.patient_pattern: '{pattern}' is found in none of the "
            f"{unknown.sum()} file names without a patient, such as "
            f"{images.loc[unknown, 'image'].iloc[0]}."
        )
    return images["patient"].mask(unknown, named)


def patient_in(name: str, pattern: str) -> str:
    """The patient that a file's path names; "" if it names none."""
    match = re.search(pattern, name, re.IGNORECASE)
    if match is None:
        return ""
    return "-".join(part for part in match.groups() if part) or match[0]


def suggest_pattern(names: pd.Series) -> tuple[str, str] | None:
    """A pattern that seems to find the patient in file names, and an example that it fits.

    Args:
        names: paths of images whose patient is unknown.
    """
    fitting = [pattern for pattern in PATTERNS if is_likely(names, pattern)]
    if not fitting:
        return None
    pattern = "|".join(fitting)
    found = names.map(lambda name: patient_in(name, pattern))
    shared = found[(found != "") & found.duplicated(keep=False)]
    return pattern, names[shared.index[0]]


def is_likely(names: pd.Series, pattern: str) -> bool:
    """Whether what a pattern finds is shared by several files, but not by very many."""
    found = names.map(lambda name: patient_in(name, pattern))
    found = found[found != ""]
    if len(found) < FITS * len(names) or found.empty:
        return False
    largest = found.value_counts().iloc[0]
    return bool(
        found.duplicated(keep=False).mean() >= SHARED
        and largest <= max(LARGEST_SMALL, LARGEST * len(names))
    )


def report_unknown(used: pd.DataFrame) -> None:
    """Print how many images have an unknown patient, and what could be done.

    Args:
        used: the images of the three splits, with `image` and `patient`.
    """
    is_unknown = used["patient"] == ""
    unknown = used[is_unknown]
    if unknown.empty:
        return
    print(
        f"patients unknown for {percentage(is_unknown)} of the images "
        f"({len(unknown)} of {len(used)}): patient leaks cannot be ruled out"
    )
    suggestion = suggest_pattern(unknown["image"].reset_index(drop=True))
    if suggestion:
        pattern, example = suggestion
        print(
            f"  file names seem to name them, such as '{patient_in(example, pattern)}' in "
            f"{example}: if so, set split.patient_pattern: '{pattern}'"
        )


def report_set_aside(kept: pd.DataFrame, settings: SplitSettings) -> None:
    """Print why images are in no split, and what would keep those of an official split.

    Args:
        kept: with `official_split`, `patient`, `split_group` and `split`, "" = set aside.
    """
    aside = kept["split"] == ""
    by_official = aside & (kept["official_split"] != "") & settings.use_official_split
    if settings.method == "stable":
        # Its hash may also divide a group within the training images of the official split.
        parts = kept["official_split"].replace("", None).groupby(kept["split_group"])
        by_official &= parts.transform("nunique") > 1
    if by_official.any():
        used = set(kept["patient"][~aside]) - {""}
        patient = kept["patient"][by_official].isin(used).sum()
        print(
            f"{by_official.sum()} images are set aside because the official split has their "
            f"patient ({patient}) or a copy or alike image ({by_official.sum() - patient}) in "
            "another part too: split.use_official_split: false would use them, in new splits"
        )
    others = aside & ~by_official
    if settings.method == "stable" and others.any():
        cause = "split.method: stable" + (" or split.test_sources" if settings.test_sources else "")
        print(
            f"{others.sum()} images are set aside because a copy or alike image, of theirs or of "
            f"their patient, is in another split by {cause}: split.method: folds keeps such "
            "images together"
        )
