import pandas as pd

from cxr.pipeline import tables
from stages.dedupe.grouping import group_duplicates

Pair = tuple[str, str, float]


def outcome(rows: list[dict[str, object]], *pairs: Pair, drop: bool = True) -> pd.DataFrame:
    """The table of duplicates, by image, of images of which some pairs are one exposure."""
    plain = {"target": "a", "official_split": "", "width": 10, "height": 10}
    images = pd.DataFrame([{**plain, "sha256": f"own-{row['image']}", **row} for row in rows])
    found = pd.DataFrame(pairs, columns=["first", "second", "agreement"])
    found["kind"] = "exposure"
    result = group_duplicates(images, found.astype({"agreement": float}), drop)
    tables.Duplicates.validate(result)
    return result.set_index("image")


def named(*names: str) -> list[dict[str, object]]:
    return [{"image": name} for name in names]


def test_unlike_images_are_each_their_own_group() -> None:
    table = outcome(named("x", "y"))
    assert table["keep"].all()
    assert table["duplicate_group"].tolist() == ["x", "y"]
    assert table["of"].tolist() == ["", ""]


def test_exact_and_near_are_told_apart_and_point_to_the_one_kept() -> None:
    rows = [
        {"image": "a", "sha256": "same"},
        {"image": "b", "sha256": "same"},
        {"image": "c"},
    ]
    table = outcome(rows, ("a", "c", 0.93))
    assert table["reason"].to_dict() == {"a": "kept", "b": "exact", "c": "near"}
    assert table["of"].to_dict() == {"a": "", "b": "a", "c": "a"}
    assert table["agreement"].to_dict() == {"a": 0, "b": 1, "c": 0.93}


def test_a_copy_of_a_copy_is_no_member_of_the_group() -> None:
    table = outcome(named("a", "b", "c"), ("a", "b", 0.9), ("b", "c", 0.9))
    assert table["reason"].to_dict() == {"a": "kept", "b": "near", "c": "kept"}
    middle = outcome(
        [{"image": "a"}, {"image": "b", "width": 99}, {"image": "c"}],
        *(("a", "b", 0.9), ("b", "c", 0.9)),
    )
    assert middle["reason"].to_dict() == {"a": "near", "b": "kept", "c": "near"}


def test_a_copy_of_two_images_that_are_kept_goes_to_the_better_one() -> None:
    table = outcome(named("a", "b", "c"), ("a", "c", 0.8), ("b", "c", 0.9))
    assert table["reason"].to_dict() == {"a": "kept", "b": "kept", "c": "near"}
    assert table["of"].to_dict() == {"a": "", "b": "", "c": "a"}


def kept(*rows: dict[str, object]) -> list[str]:
    """Which of two or three copies of each other are kept."""
    names = [str(row["image"]) for row in rows]
    pairs = [(one, two, 0.9) for one in names for two in names if one < two]
    table = outcome(list(rows), *pairs)
    return table.index[table["keep"]].tolist()


def test_what_is_kept_official_test_then_labelled_then_largest_then_name() -> None:
    assert kept(
        {"image": "a", "official_split": "train", "width": 99},
        {"image": "b", "official_split": "test"},
        {"image": "c", "official_split": "val"},
    ) == ["b"]
    assert kept({"image": "a", "target": "", "width": 99}, {"image": "b"}) == ["b"]
    assert kept({"image": "a"}, {"image": "b", "height": 11}) == ["b"]
    assert kept({"image": "b"}, {"image": "a"}) == ["a"]


def test_copies_under_two_labels_are_both_set_aside() -> None:
    rows = [
        {"image": "a", "target": "COVID"},
        {"image": "b", "target": "Normal"},
        {"image": "c", "target": ""},
        {"image": "d", "target": "Normal"},
    ]
    table = outcome(rows, ("a", "b", 0.9), ("a", "c", 0.9), ("b", "c", 0.9))
    assert table["reason"].to_list() == ["conflict", "conflict", "conflict", "kept"]


def test_a_conflict_is_of_the_pair_and_not_of_a_chain() -> None:
    """Of a and c, which are not copies of each other, only c has a copy of another class."""
    rows = [
        {"image": "a", "target": "COVID"},
        {"image": "b", "target": "COVID"},
        {"image": "c", "target": "COVID"},
        {"image": "d", "target": "Normal"},
    ]
    table = outcome(rows, ("a", "b", 0.9), ("b", "c", 0.9), ("c", "d", 0.9))
    assert table["reason"].to_list() == ["kept", "near", "conflict", "conflict"]


def test_an_image_that_is_kept_shares_no_group_with_a_conflict() -> None:
    rows = [
        {"image": "a", "target": "COVID"},
        {"image": "b", "target": "COVID"},
        {"image": "c", "target": "Normal"},
    ]
    table = outcome(rows, ("a", "b", 0.9), ("b", "c", 0.9))
    assert table["reason"].to_list() == ["kept", "conflict", "conflict"]
    assert table["duplicate_group"].to_list() == ["a", "b", "b"]


def test_one_of_identical_files_of_one_label_is_always_kept() -> None:
    rows = [
        {"image": "a", "sha256": "same"},
        {"image": "b", "sha256": "same"},
        {"image": "c", "sha256": "other", "target": "z"},
        {"image": "d", "sha256": "other", "target": "y"},
    ]
    assert outcome(rows)["reason"].to_list() == ["kept", "exact", "conflict", "conflict"]


def test_conflicts_can_be_kept() -> None:
    rows = [{"image": "a", "target": "COVID"}, {"image": "b", "target": "Normal"}]
    assert outcome(rows, ("a", "b", 0.9), drop=False)["reason"].to_list() == ["kept", "near"]


def test_an_unlabelled_copy_is_no_conflict() -> None:
    rows = [{"image": "a", "target": ""}, {"image": "b"}]
    assert outcome(rows, ("a", "b", 0.9))["reason"].to_list() == ["near", "kept"]
