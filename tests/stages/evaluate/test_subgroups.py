import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from cxr.metrics.operating_point import OperatingPoint
from cxr.pipeline.params import Evaluate
from stages.evaluate import subgroups
from tests.helpers.probabilities import task

SETTINGS = Evaluate(
    resamples=200, confidence=0.9, seed=0, positive_class=[], target_sensitivity=0.95
)
POINT = OperatingPoint("b", 1, 0.95, 0.3, validation_images=20)


def images(count=120):
    number = np.arange(count)
    return pd.DataFrame(
        {
            "split_group": [f"p{one // 2}" for one in number],
            "source": ["a", "b", ""] * (count // 3),
            "sex": ["F", "M"] * (count // 2),
            "age": ["7", "18", "39.5", "", "80", "104"] * (count // 6),
            "view": "PA",
        }
    )


def test_ages_are_bands_and_what_is_not_known_is_a_group_of_its_own():
    found = subgroups.subgroup_attributes(images())
    assert found["age"][:6].tolist() == ["0-17", "18-39", "18-39", "unknown", *["80 and over"] * 2]
    assert set(found["source"]) == {"a", "b", "unknown"}
    # All PA tells nothing apart, and there is no published split in the table.
    assert list(found) == ["source", "sex", "age"]


def test_scores_are_those_of_the_subgroups_images_alone():
    actual, probabilities = task(images=120)
    table = subgroups.subgroup_metrics(images(), actual, probabilities, POINT, SETTINGS)
    row = table[(table["attribute"] == "source") & (table["value"] == "b")].iloc[0]
    mine = np.arange(120) % 3 == 1
    predicted = probabilities[mine].argmax(1)
    assert row["images"] == 40
    assert row["groups"] == len({one // 2 for one in np.flatnonzero(mine)})
    assert row["accuracy"] == pytest.approx((predicted == actual[mine]).mean())
    assert row["balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(actual[mine], predicted)
    )
    called = probabilities[mine, 1] >= 0.3
    assert row["sensitivity"] == pytest.approx(called[actual[mine] == 1].mean())
    assert row["specificity"] == pytest.approx((~called[actual[mine] != 1]).mean())
    for name in ("accuracy", "balanced_accuracy", "sensitivity", "specificity"):
        assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]
    nested = subgroups.subgroups_to_json(table)
    assert nested["source"]["b"]["accuracy"] == row["accuracy"]


def test_what_cannot_be_told_apart_has_no_subgroups():
    actual, probabilities = task(images=120)
    same = images()[["split_group", "view"]]
    table = subgroups.subgroup_metrics(same, actual, probabilities, None, SETTINGS)
    assert subgroups.subgroups_to_json(table) == {}


def test_a_subgroup_without_the_positive_class_has_no_sensitivity():
    actual, probabilities = task(images=120)
    described = images().assign(source=np.where(actual == 1, "a", "b"))
    table = subgroups.subgroup_metrics(described, actual, probabilities, POINT, SETTINGS)
    found = subgroups.subgroups_to_json(table)["source"]["b"]
    assert found["sensitivity"] is None
    assert found["sensitivity_low"] is None
    assert found["classes"] == 2
