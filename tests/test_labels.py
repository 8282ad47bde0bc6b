import pandas as pd
import pytest

from stages.command import UserError
from stages.labels import classes
from stages.params import load
from tests.closure import ROOT

PARAMS = load(ROOT / "params.yaml").model_copy(
    update={"dataset": "mine", "labels": {"mine": {"SARS": "other", "COVID": "COVID", "bad": ""}}}
)


def test_labels_are_mapped_and_unlabelled_stay_so() -> None:
    images = pd.DataFrame({"label": ["SARS", "COVID", "", "bad"]})
    assert classes(images, PARAMS).tolist() == ["other", "COVID", "", ""]


def test_a_data_set_without_a_mapping_keeps_its_labels() -> None:
    images = pd.DataFrame({"label": ["SARS", ""]})
    other = PARAMS.model_copy(update={"dataset": "another"})
    assert classes(images, other).tolist() == ["SARS", ""]


def test_an_unmapped_label_is_named_beside_all_that_were_seen() -> None:
    images = pd.DataFrame({"label": ["SARS", "MERS", ""]})
    with pytest.raises(UserError, match=r"no line for 'MERS'.*seen are 'MERS', 'SARS'"):
        classes(images, PARAMS)
