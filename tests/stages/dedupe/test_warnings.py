"""What is unlikely of a real collection is said in one line."""

import pandas as pd
import pytest

from stages.dedupe.__main__ import summary, warn
from stages.dedupe.grouping import group_duplicates

NO_PAIRS = pd.DataFrame(
    {"first": [], "second": [], "kind": [], "distance": [], "agreement": []}
).astype({"first": str, "second": str, "kind": str})


def said(capsys: pytest.CaptureFixture[str], files: list[str], targets: list[str]) -> list[str]:
    """The warnings about images of some files, by checksum, with some classes."""
    images = pd.DataFrame({"sha256": files, "target": targets})
    images["image"] = [f"{place:04}.png" for place in range(len(files))]
    images = images.assign(official_split="", width=10, height=10)
    warn(summary(group_duplicates(images, NO_PAIRS, True), NO_PAIRS), "groups.png")
    return capsys.readouterr().out.splitlines()


def test_a_group_of_more_than_a_dozen_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, ["same"] * 12 + ["other"], ["a"] * 13) == []
    (line,) = said(capsys, ["same"] * 13 + ["other"], ["a"] * 14)
    assert line.startswith("warning: 13 images form one duplicate group")
    assert line.endswith("groups.png")


def test_conflicts_in_more_than_one_of_a_hundred_images_are_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = ["same", "same", *map(str, range(198))]
    targets = ["a", "b", *["a"] * 198]
    assert said(capsys, files, targets) == []
    (line,) = said(capsys, files[:-1], targets[:-1])
    assert line.startswith("warning: 2 of 199 images have a duplicate with another label")
    assert "groups.png" in line


def test_conflicts_that_are_kept_are_no_warning_and_none_of_an_unlabelled_copy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert said(capsys, ["same", "same"], ["a", ""]) == []
