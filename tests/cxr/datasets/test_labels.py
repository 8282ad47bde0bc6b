import pandas as pd
import pytest

from cxr.datasets.labels import classes
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import load
from tests.helpers.closure import ROOT

PARAMS = load(ROOT / "params.yaml").model_copy(
    update={"dataset": "mine", "labels": {"mine": {"SARS": "other", "COVID": "COVID", "bad": ""}}}
)


def test_labels_are_mapped_and_unlabelled_stay_so() -> None:
    images = pd.DataFrame({"dataset": "mine", "label": ["SARS", "COVID", "", "bad"]})
    assert classes(images, PARAMS).tolist() == ["other", "COVID", "", ""]


def test_a_data_set_without_a_mapping_keeps_its_labels() -> None:
    images = pd.DataFrame({"dataset": "another", "label": ["SARS", ""]})
    assert classes(images, PARAMS).tolist() == ["SARS", ""]


def test_in_a_union_each_data_set_has_its_own_mapping() -> None:
    joined = PARAMS.union.model_copy(update={"labels": {"theirs": {"SARS": "virus"}}})
    images = pd.DataFrame(
        {"dataset": ["mine", "theirs", "kept", "mine"], "label": ["SARS", "SARS", "SARS", ""]},
        index=[7, 3, 5, 1],
    )
    union = PARAMS.model_copy(update={"dataset": "union", "union": joined})
    assert classes(images, union).to_dict() == {7: "other", 3: "virus", 5: "SARS", 1: ""}
    alone = PARAMS.model_copy(update={"union": joined})
    assert classes(images, alone)[3] == "SARS"
    with pytest.raises(UserError, match=r"union\.labels\.theirs has no entry .*'MERS' \(1\)"):
        classes(pd.DataFrame({"dataset": "theirs", "label": ["MERS"]}), union)


def test_an_unmapped_label_is_named_beside_all_that_were_seen() -> None:
    images = pd.DataFrame({"dataset": "mine", "label": ["SARS", "MERS", ""]})
    with pytest.raises(UserError, match=r"no entry for these labels .*: 'MERS' \(1\)\. Map"):
        classes(images, PARAMS)


def test_labels_are_matched_without_case_and_spaces() -> None:
    images = pd.DataFrame({"dataset": "mine", "label": [" sars", "covid", "Covid", "BAD"]})
    assert classes(images, PARAMS).tolist() == ["other", "COVID", "COVID", ""]
    images = pd.DataFrame({"dataset": "another", "label": ["Covid", "COVID", "COVID", "normal "]})
    assert classes(images, PARAMS).tolist() == ["COVID", "COVID", "COVID", "normal "]
