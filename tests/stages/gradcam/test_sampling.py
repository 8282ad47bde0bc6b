import pandas as pd
import pytest

from stages.gradcam.sampling import balanced_sample, choose_examples, first_by_hash


def images(right, wrong, label="COVID"):
    return pd.DataFrame(
        {
            "image": [f"{label}/{number:03}.png" for number in range(right + wrong)],
            "target": label,
            "correct": [True] * right + [False] * wrong,
        }
    )


@pytest.mark.parametrize(
    ("right", "wrong", "shown"),
    [
        (20, 20, [True, True, False, False]),
        (20, 1, [True, True, True, False]),
        (20, 0, [True] * 4),
        (1, 20, [True, False, False, False]),
        (0, 20, [False] * 4),
        (1, 1, [True, False]),
    ],
)
def test_half_are_errors_where_there_are_so_many(right, wrong, shown):
    chosen = choose_examples(images(right, wrong), 4)
    assert chosen["correct"].tolist() == shown
    assert chosen["slot"].tolist() == list(range(1, len(shown) + 1))


def test_each_class_has_its_own_slots():
    chosen = choose_examples(
        pd.concat([images(5, 5), images(9, 0, "Normal")], ignore_index=True), 3
    )
    assert chosen.groupby("target")["slot"].apply(list).to_dict() == {
        "COVID": [1, 2, 3],
        "Normal": [1, 2, 3],
    }


def test_the_choice_does_not_depend_on_the_order_or_on_other_images():
    table = images(30, 0)
    chosen = choose_examples(table, 4)["image"].tolist()
    assert choose_examples(table[::-1], 4)["image"].tolist() == chosen
    others = table.index[~table["image"].isin(chosen)]
    assert choose_examples(table.drop(others[:10]), 4)["image"].tolist() == chosen


def test_classes_take_turns_until_they_are_used_up():
    table = pd.concat([images(30, 0), images(3, 0, "Normal")], ignore_index=True)
    chosen = balanced_sample(table, 12)
    assert chosen["target"].value_counts().to_dict() == {"COVID": 9, "Normal": 3}
    assert sorted(chosen["target"].head(4)) == ["COVID", "COVID", "Normal", "Normal"]
    assert len(balanced_sample(table, 100)) == 33


def test_what_is_measured_stays_when_other_images_come():
    table = images(30, 0)
    chosen = set(first_by_hash(table, 10)["image"])
    more = first_by_hash(images(33, 0), 10)["image"]
    assert len(chosen & set(more)) >= 7
    assert (
        balanced_sample(table[::-1], 10)["image"].tolist()
        == first_by_hash(table, 10)["image"].tolist()
    )
