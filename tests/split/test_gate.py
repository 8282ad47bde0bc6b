import pandas as pd
import pytest

from stages.command import UserError
from stages.split.flow import FATES, count, fates, summary
from stages.split.gate import check_classes, check_leaks, leaks

NEAR, FAR = f"{0b111:064x}", "f" * 64


def images(**second: object) -> pd.DataFrame:
    """A training and a test image that share nothing, but for what is given."""
    first = {"image": "x", "patient": "p1", "group": "g1", "sha256": "s1", "phash": "0" * 64}
    other = {"image": "y", "patient": "p2", "group": "g2", "sha256": "s2", "phash": FAR}
    rows = [{**first, "split": "train"}, {**other, "split": "test", **second}]
    return pd.DataFrame(rows)


def test_nothing_shared_passes() -> None:
    assert check_leaks(leaks(images(), 32)) == {"patient": 0, "group": 0, "sha256": 0, "near": 0}


@pytest.mark.parametrize(
    ("shared", "kind"),
    [
        ({"patient": "p1"}, "patient"),
        ({"group": "g1"}, "group"),
        ({"sha256": "s1"}, "sha256"),
        ({"phash": NEAR}, "near"),
    ],
)
@pytest.mark.parametrize("side", ["test", "val"])
def test_anything_shared_across_sides_stops_and_is_named(
    shared: dict[str, str], kind: str, side: str
) -> None:
    found = leaks(images(**shared, split=side), 32)
    assert found[kind] == [("x", "y")]
    with pytest.raises(UserError, match=rf"share their {kind}: x and y"):
        check_leaks(found)


def test_what_is_shared_on_one_side_or_unknown_is_no_leak() -> None:
    assert not any(leaks(images(patient="p1", phash=NEAR, split="train"), 32).values())
    both_unknown = images(patient="").assign(patient="")
    assert not any(leaks(both_unknown, 32).values())
    assert not any(leaks(images(patient="p1", split=""), 32).values())


def everything() -> pd.DataFrame:
    rows = [
        ("unusable", "a", None, None),
        ("excluded", "a", None, None),
        ("ok", "", "kept", None),
        ("ok", "a", "exact", None),
        ("ok", "a", "near", None),
        ("ok", "b", "conflict", None),
        ("ok", "b", "kept", ""),
        ("ok", "a", "kept", "train"),
        ("ok", "a", "kept", "val"),
        ("ok", "b", "kept", "test"),
    ]
    table = pd.DataFrame(rows, columns=["status", "label", "reason_duplicate", "split"])
    return table.assign(source="s")


def test_every_image_has_one_fate_and_the_counts_add_up() -> None:
    table = everything()
    fate = fates(table)
    assert fate.tolist() == [
        "unusable", "excluded", "unlabelled", "duplicate", "duplicate", "conflict", "set_aside",
        "train", "val", "test",
    ]  # fmt: skip
    flow = summary(table, fate)
    assert flow["flow"]["found"] == 10 == sum(flow["flow"][name] for name in FATES)
    assert flow["class"]["a"]["found"] == 6
    assert (
        flow["class"]["b"] | {"found": 3, "conflict": 1, "set_aside": 1, "test": 1}
        == flow["class"]["b"]
    )
    for part in (*flow["class"].values(), *flow["source"].values()):
        assert part["found"] == sum(part[name] for name in FATES)


def test_a_class_that_is_missing_on_a_side_is_named_with_what_became_of_it() -> None:
    table = everything()
    with pytest.raises(UserError, match=r"class 'a' can't stand.*of its 6 images.*1 unusable"):
        check_classes(count(fates(table), table["label"]))
