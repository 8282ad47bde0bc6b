import numpy as np
import pandas as pd
from cxr.duplicates.hamming import near_pairs

from cxr.pipeline import tables
from stages.dedupe.grouping import group_duplicates, longest_chain


def code(*flipped: int) -> str:
    """A hash of zeros with some bits set."""
    return f"{sum(1 << bit for bit in flipped):064x}"


def images(*rows: dict[str, object]) -> pd.DataFrame:
    plain = {"target": "a", "official_split": "", "width": 10, "height": 10, "sha256": ""}
    table = pd.DataFrame([{**plain, **row} for row in rows])
    unique = [f"own-{number}" for number in range(len(table))]
    return table.assign(sha256=table["sha256"].where(table["sha256"] != "", pd.Series(unique)))


def outcome(*rows: dict[str, object], distance: int = 8, drop: bool = True) -> pd.DataFrame:
    table = images(*rows)
    pairs = near_pairs(table["phash"].tolist(), distance)[:, :2]
    result = group_duplicates(table, pairs, drop)
    tables.Duplicates.validate(result)
    return result.set_index("image")


FAR = code(*range(100, 140))


def test_unlike_images_are_each_their_own_group() -> None:
    table = outcome({"image": "x", "phash": code()}, {"image": "y", "phash": FAR})
    assert table["keep"].all()
    assert table["duplicate_group"].tolist() == ["x", "y"]
    assert table["distance"].tolist() == [-1, -1]


def test_exact_and_near_are_told_apart_and_point_to_the_one_kept() -> None:
    table = outcome(
        {"image": "a", "phash": code(), "sha256": "same"},
        {"image": "b", "phash": code(), "sha256": "same"},
        {"image": "c", "phash": code(1, 2)},
    )
    assert table["reason"].to_dict() == {"a": "kept", "b": "exact", "c": "near"}
    assert table["of"].to_dict() == {"a": "", "b": "a", "c": "a"}
    assert table["distance"].to_dict() == {"a": -1, "b": 0, "c": 2}


def test_groups_join_through_a_third_image() -> None:
    table = outcome(
        {"image": "a", "phash": code()},
        {"image": "b", "phash": code(*range(8))},
        {"image": "c", "phash": code(*range(16))},
    )
    assert table["duplicate_group"].nunique() == 1
    assert table["keep"].sum() == 1


def test_the_limit_is_inclusive() -> None:
    rows = [{"image": "a", "phash": code()}, {"image": "b", "phash": code(*range(8))}]
    assert outcome(*rows, distance=8)["keep"].sum() == 1
    assert outcome(*rows, distance=7)["keep"].sum() == 2


def test_what_is_kept_official_test_then_labelled_then_largest_then_name() -> None:
    same = {"phash": code()}
    assert outcome(
        {"image": "a", **same, "official_split": "train", "width": 99},
        {"image": "b", **same, "official_split": "test"},
        {"image": "c", **same, "official_split": "val"},
    )["keep"].to_dict() == {"a": False, "b": True, "c": False}
    assert outcome(
        {"image": "a", **same, "target": "", "width": 99}, {"image": "b", **same}
    )["keep"].to_dict() == {"a": False, "b": True}  # fmt: skip
    assert outcome({"image": "a", **same}, {"image": "b", **same, "height": 11})[
        "keep"
    ].to_dict() == {
        "a": False,
        "b": True,
    }
    assert outcome({"image": "b", **same}, {"image": "a", **same})["keep"].to_dict() == {
        "b": False,
        "a": True,
    }


def test_copies_under_two_labels_are_all_set_aside() -> None:
    table = outcome(
        {"image": "a", "phash": code(), "target": "COVID"},
        {"image": "b", "phash": code(1), "target": "Normal"},
        {"image": "c", "phash": code(2), "target": ""},
        {"image": "d", "phash": FAR, "target": "Normal"},
    )
    assert table["reason"].to_dict() == {
        "a": "conflict",
        "b": "conflict",
        "c": "conflict",
        "d": "kept",
    }
    assert table["keep"].sum() == 1


def test_conflicts_can_be_kept() -> None:
    rows = [
        {"image": "a", "phash": code(), "target": "COVID"},
        {"image": "b", "phash": code(1), "target": "Normal"},
    ]
    assert outcome(*rows, drop=False)["reason"].to_dict() == {"a": "kept", "b": "near"}


def test_the_longest_chain_is_that_of_steps_within_a_group() -> None:
    assert longest_chain(5, np.empty((0, 2), np.int64)) == 0
    assert longest_chain(6, np.array([[0, 1], [2, 3], [0, 2], [4, 5]])) == 3
    assert longest_chain(3, np.array([[0, 1], [0, 2], [1, 2]])) == 1


def test_an_unlabelled_copy_is_no_conflict() -> None:
    table = outcome({"image": "a", "phash": code(), "target": ""}, {"image": "b", "phash": code(1)})
    assert table["reason"].to_dict() == {"a": "near", "b": "kept"}
