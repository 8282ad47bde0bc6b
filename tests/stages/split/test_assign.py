import numpy as np
import pandas as pd
import pytest

from cxr.pipeline.errors import UserError
from cxr.pipeline.params import SplitSettings
from stages.split.assign import assign, split_groups
from stages.split.flow import count, image_status
from stages.split.gate import check_classes

SETTINGS = SplitSettings(
    seed=0,
    method="folds",
    folds=5,
    fold=0,
    stratify_by_source=False,
    use_official_split=True,
    test_sources=[],
    patient_pattern="",
)
STABLE = SETTINGS.model_copy(update={"method": "stable"})


def images(count: int = 400, seed: int = 0, **columns: object) -> pd.DataFrame:
    """One to four images a patient, three unequal classes by patient."""
    random = np.random.default_rng(seed)
    patient = np.repeat(np.arange(count), random.integers(1, 5, count))[:count]
    label = random.choice(["a", "b", "c"], patient.max() + 1, p=[0.6, 0.3, 0.1])[patient]
    names = [f"i{number:04}" for number in range(count)]
    group = [f"p{number}" for number in patient]
    table = pd.DataFrame(
        {"image": names, "target": label, "split_group": group, "official_split": ""}
    )
    table["patient"] = table["split_group"]
    table["sha256"] = [f"sha-{name}" for name in names]
    table["source"] = random.choice(["north", "south"], count, p=[0.8, 0.2])
    return table.assign(dataset="d", keep=True).assign(**columns)


def test_groups_unite_patients_and_duplicates_and_no_others() -> None:
    table = pd.DataFrame(
        {
            "image": ["a", "b", "c", "d", "e", "f"],
            "patient": ["1", "1", "2", "", "", "3"],
        }
    )
    pairs = pd.DataFrame({"first": ["b", "d"], "second": ["c", "e"]})
    assert split_groups(table, pairs).tolist() == ["a", "a", "a", "d", "d", "f"]


def test_unknown_patients_are_not_one_patient() -> None:
    table = pd.DataFrame({"image": ["a", "b"], "patient": ["", ""]})
    nothing = pd.DataFrame({"first": [], "second": []})
    assert split_groups(table, nothing).tolist() == ["a", "b"]


@pytest.mark.parametrize("fold", range(5))
def test_groups_stay_whole_and_classes_are_spread(fold: int) -> None:
    table = images()
    side = assign(table, SETTINGS.model_copy(update={"fold": fold}))
    assert (side.groupby(table["split_group"]).nunique() == 1).all()
    shares = pd.crosstab(table["target"], side, normalize="index")
    assert shares["test"].between(0.12, 0.28).all()
    assert shares["val"].between(0.12, 0.28).all()
    assert side.value_counts(normalize=True)["train"] == pytest.approx(0.6, abs=0.03)


def test_the_folds_cover_every_image_once_as_test_and_once_as_val() -> None:
    table = images()
    sides = [assign(table, SETTINGS.model_copy(update={"fold": fold})) for fold in range(5)]
    for name in ("test", "val"):
        assert (sum((side == name).astype(int) for side in sides) == 1).all()


def test_the_split_is_the_seeds_and_no_accidents() -> None:
    table = images()
    assert assign(table, SETTINGS).equals(assign(table, SETTINGS))
    assert not assign(table, SETTINGS).equals(
        assign(table, SETTINGS.model_copy(update={"seed": 1}))
    )


def test_a_whole_official_split_is_taken_as_it_is() -> None:
    table = images()
    official = pd.Series(np.where(table["split_group"].str[-1].isin(list("01")), "test", "train"))
    official[table["split_group"].str[-1] == "2"] = "val"
    side = assign(table.assign(official_split=official), SETTINGS)
    assert side.equals(official.rename(side.name))


def test_validation_is_cut_from_training_if_there_is_no_official_one() -> None:
    table = images()
    official = pd.Series(np.where(table["split_group"].str[-1].isin(list("01")), "test", "train"))
    side = assign(table.assign(official_split=official), SETTINGS)
    assert ((side == "test") == (official == "test")).all()
    share = (side == "val").sum() / (official == "train").sum()
    assert share == pytest.approx(0.2, abs=0.05)


def test_test_is_cut_from_training_if_there_is_no_official_one() -> None:
    table = images()
    official = pd.Series(np.where(table["split_group"].str[-1] == "0", "val", "train"))
    side = assign(table.assign(official_split=official), SETTINGS)
    assert ((side == "val") == (official == "val")).all()
    assert (side == "test").sum() / (official == "train").sum() == pytest.approx(0.2, abs=0.05)


def test_a_group_across_an_official_split_loses_its_training_members() -> None:
    table = images(40)
    table["split_group"] = table["image"]
    table["official_split"] = ["train"] * 20 + ["val"] * 10 + ["test"] * 10
    table.loc[[0, 20, 30], "split_group"] = "shared"
    table.loc[[1, 21], "split_group"] = "other"
    side = assign(table, SETTINGS)
    assert side[[0, 20, 30]].tolist() == ["", "", "test"]
    assert side[[1, 21]].tolist() == ["", "val"]
    assert (side != "").sum() == 37


def test_an_official_split_can_be_ignored() -> None:
    table = images(official_split="train")
    side = assign(table, SETTINGS.model_copy(update={"use_official_split": False}))
    assert set(side) == {"train", "val", "test"}
    assert side.equals(assign(images(), SETTINGS))


def test_what_is_not_kept_takes_no_part_in_the_counts() -> None:
    table = images()
    dropped = table.iloc[:200].assign(keep=False, image=lambda rows: "z" + rows["image"])
    both = pd.concat([table, dropped], ignore_index=True)
    assert assign(both, SETTINGS)[: len(table)].equals(assign(table, SETTINGS))


def test_sources_are_spread_where_asked() -> None:
    table = images(800)
    table["source"] = np.where(table["split_group"].str[-1].isin(list("012")), "south", "north")
    side = assign(table, SETTINGS.model_copy(update={"stratify_by_source": True}))
    shares = pd.crosstab([table["target"], table["source"]], side, normalize="index")
    assert shares["test"].between(0.1, 0.3).all()


def test_test_sources_are_tested_on_alone() -> None:
    table = images(patient=[f"q{n}" for n in range(400)], split_group=[f"q{n}" for n in range(400)])
    table.loc[table.index[table["source"] == "north"][:2], "split_group"] = "shared"
    table.loc[table.index[table["source"] == "south"][0], "split_group"] = "shared"
    side = assign(table, SETTINGS.model_copy(update={"test_sources": ["south"]}))
    assert set(table["source"][side == "test"]) == {"south"}
    assert set(table["source"][side == "train"]) == {"north"}
    assert (side == "").sum() == 2
    with pytest.raises(UserError, match=r"no source or data set 'east'.*d, north, south"):
        assign(table, SETTINGS.model_copy(update={"test_sources": ["east"]}))


def test_a_test_source_may_be_a_whole_data_set() -> None:
    table = images()
    table["dataset"] = np.where(
        table["split_group"].str[-1].isin(list("012")), "chest4_tb", "other"
    )
    side = assign(table, SETTINGS.model_copy(update={"test_sources": ["chest4_tb"]}))
    assert ((side == "test") == (table["dataset"] == "chest4_tb")).all()


def test_a_growing_set_moves_no_image() -> None:
    """New patients, new images of known patients, and copies that join old groups."""
    grown = images(400)
    old = grown.iloc[np.sort(np.random.default_rng(1).permutation(400)[:250])]
    before = assign(old.reset_index(drop=True), STABLE)
    before.index = old.index
    links = np.random.default_rng(2).integers(0, 400, (15, 2))
    for first, second in links:
        grown["split_group"] = grown["split_group"].replace(
            grown["split_group"][second], grown["split_group"][first]
        )
    after = assign(grown, STABLE)[old.index]
    assert ((after == before) | (after == "")).all()
    assert (after == "").mean() < 0.1
    assert before.value_counts(normalize=True)["train"] == pytest.approx(0.6, abs=0.1)


def test_dropped_copies_leave_the_image_that_is_kept_in_its_split() -> None:
    table = images(200, patient="").assign(split_group=lambda rows: rows["image"])
    before = assign(table, STABLE)
    copies = table.assign(sha256="copy-" + table["sha256"], keep=False)
    copies["image"] = "copy-" + copies["image"]
    # Some copies' patients are known, who are in another split by their own hash.
    copies.loc[::3, "patient"] = copies["image"]
    both = pd.concat([copies, table], ignore_index=True)
    assert assign(both, STABLE)[len(copies) :].tolist() == before.tolist()


def test_of_alike_images_in_two_stable_splits_one_is_set_aside() -> None:
    table = images(60, patient="").assign(split_group=lambda rows: rows["image"])
    side = assign(table, STABLE)
    tested, trained = side.index[side == "test"][0], side.index[side == "train"][0]
    table.loc[trained, "split_group"] = table["split_group"][tested]
    assert assign(table, STABLE)[[tested, trained]].tolist() == ["test", ""]


def test_stable_folds_are_the_seeds() -> None:
    table = images()
    assert not assign(table, STABLE).equals(assign(table, STABLE.model_copy(update={"seed": 1})))
    sides = [assign(table, STABLE.model_copy(update={"fold": fold})) for fold in range(5)]
    assert (sum((side == "test").astype(int) for side in sides) == 1).all()


@pytest.mark.parametrize("method", ["folds", "stable"])
@pytest.mark.parametrize("fold", range(5))
def test_a_copy_without_an_official_split_follows_the_image_that_is_kept(
    method: str, fold: int
) -> None:
    table = images(200)
    table["official_split"] = np.where(table.index % 4, "train", "test")
    table["split_group"] = table["patient"] = table["image"]
    copies = table.assign(image="copy-" + table["image"], official_split="", keep=False)
    both = pd.concat([table, copies], ignore_index=True)
    split = assign(both, SETTINGS.model_copy(update={"method": method, "fold": fold}))
    assert (split[: len(table)] != "").all()
    assert (split[: len(table)][table["official_split"] == "test"] == "test").all()


def test_classes_smaller_than_the_folds_are_left_to_the_check_of_classes() -> None:
    """scikit-learn raises a ValueError if every class has fewer images than there are folds."""
    table = pd.DataFrame({"image": [f"i{n}" for n in range(8)], "target": list("aaaabbbb")})
    table = table.assign(split_group=table["image"], patient="", sha256=table["image"], keep=True)
    table = table.assign(source="s", dataset="d", official_split="", status="ok")
    table["reason_duplicate"] = "kept"
    table["split"] = assign(table, SETTINGS)
    with pytest.raises(UserError, match=r"class 'a' is not in each of .* Its 4 images"):
        check_classes(count(image_status(table), table["target"]), [])
