import pandas as pd
import pytest

from cxr.pipeline.errors import UserError
from cxr.pipeline.params import load
from stages.split.flow import IMAGE_STATUS, count, image_status, shares, summary, without_dedupe
from stages.split.gate import check_classes, check_leaks, find_leaks, warn_of_large_patients
from tests.helpers.closure import ROOT

NO_PAIRS = pd.DataFrame({"first": [], "second": [], "kind": []})


def images(**second: object) -> pd.DataFrame:
    """A training and a test image that share nothing, but for what is given."""
    first = {"image": "x", "patient": "p1", "split_group": "g1", "sha256": "s1"}
    other = {"image": "y", "patient": "p2", "split_group": "g2", "sha256": "s2"}
    return pd.DataFrame([{**first, "split": "train"}, {**other, "split": "test", **second}])


def pair(kind: str) -> pd.DataFrame:
    return pd.DataFrame({"first": ["x"], "second": ["y"], "kind": [kind]})


def test_nothing_shared_passes() -> None:
    found = find_leaks(images(), NO_PAIRS)
    kinds = ("patient", "split_group", "sha256", "near", "alike")
    assert check_leaks(found) == dict.fromkeys(kinds, 0)


@pytest.mark.parametrize(
    ("shared", "pairs", "kind"),
    [
        ({"patient": "p1"}, NO_PAIRS, "patient"),
        ({"split_group": "g1"}, NO_PAIRS, "split_group"),
        ({"sha256": "s1"}, NO_PAIRS, "sha256"),
        ({}, pair("exposure"), "near"),
        ({}, pair("alike"), "alike"),
    ],
)
@pytest.mark.parametrize("side", ["test", "val"])
def test_anything_shared_across_sides_stops_and_is_named(
    shared: dict[str, object], pairs: pd.DataFrame, kind: str, side: str
) -> None:
    found = find_leaks(images(**shared, split=side), pairs)
    assert found[kind] == [("x", "y")]
    with pytest.raises(UserError, match=rf"share their {kind}: x and y"):
        check_leaks(found)


def test_what_is_shared_on_one_side_or_unknown_is_no_leak() -> None:
    same_side = images(patient="p1", split="train")
    assert not any(find_leaks(same_side, pair("exposure")).values())
    both_unknown = images(patient="").assign(patient="")
    assert not any(find_leaks(both_unknown, NO_PAIRS).values())
    set_aside = images(patient="p1", split="")
    assert not any(find_leaks(set_aside, pair("exposure")).values())


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
    table = pd.DataFrame(rows, columns=["status", "target", "reason_duplicate", "split"])
    return table.assign(source="s")


def test_every_image_has_one_fate_and_the_counts_add_up() -> None:
    table = everything()
    fate = image_status(table)
    assert fate.tolist() == [
        "unusable", "excluded", "unlabelled", "duplicate", "duplicate", "conflict", "set_aside",
        "train", "val", "test",
    ]  # fmt: skip
    flow = summary(table, fate)
    assert flow["flow"]["found"] == 10 == sum(flow["flow"][name] for name in IMAGE_STATUS)
    assert flow["class"]["a"]["found"] == 6
    assert (
        flow["class"]["b"] | {"found": 3, "conflict": 1, "set_aside": 1, "test": 1}
        == flow["class"]["b"]
    )
    for part in (*flow["class"].values(), *flow["source"].values()):
        assert part["found"] == sum(part[name] for name in IMAGE_STATUS)


def test_a_class_that_is_missing_on_a_side_is_named_with_what_became_of_it() -> None:
    table = everything()
    with pytest.raises(UserError, match=r"class 'a' is not in each.*Its 6 images.*1 unusable"):
        check_classes(count(image_status(table), table["target"]), [])


def test_a_class_that_the_test_sources_lack_has_its_own_remedy() -> None:
    table = everything().query("split != 'test' or target != 'b'")
    with pytest.raises(UserError, match=r"class 'a' is not .* Choose other split.test_sources"):
        check_classes(count(image_status(table), table["target"]), ["south"])


@pytest.mark.parametrize("labels", [["", ""], ["a", "a"]])
def test_fewer_than_two_classes_are_refused(labels: list[str]) -> None:
    fate = count(pd.Series(["train", "test"]), pd.Series(labels))
    with pytest.raises(UserError, match="needs two or more classes"):
        check_classes(fate, [])


def test_shares_tell_what_was_wanted_and_what_was_reached() -> None:
    kept = pd.DataFrame({"split": ["train"] * 6 + ["val"] * 3 + ["test"]})
    assert shares(kept, 5) == {
        "train": {"wanted": 0.6, "reached": 0.6},
        "val": {"wanted": 0.2, "reached": 0.3},
        "test": {"wanted": 0.2, "reached": 0.1},
    }


def test_without_dedupe_counts_test_images_with_a_duplicate_in_train() -> None:
    rows = [
        ("a", "x", "train", "a"),
        ("b", "x", "test", "a"),
        ("c", "y", "test", "c"),
        ("d", "y", "test", "c"),
        ("e", "y", "train", "e"),
        ("f", "", "test", "e"),
        ("g", "y", "val", "a"),
    ]
    usable = pd.DataFrame(rows, columns=["image", "target", "official_split", "duplicate_group"])
    usable = usable.assign(patient="", source="s", sha256=usable["image"])
    settings = load(ROOT / "params.yaml").split
    assert without_dedupe(usable, settings) == {"test": 3, "with_duplicate_in_train": 1}


def test_a_patient_of_a_large_share_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    patients = ["placeholder"] * 30 + [f"p{number}" for number in range(70)] + [""] * 40
    warn_of_large_patients(pd.DataFrame({"patient": patients}))
    assert "patient 'placeholder' has 30 of 140 images" in capsys.readouterr().out
