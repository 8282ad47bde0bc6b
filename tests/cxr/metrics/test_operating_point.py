import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from cxr.metrics import operating_point
from tests.helpers.probabilities import task


@pytest.mark.parametrize("classes", [2, 4])
def test_rates_are_those_of_the_confusion_matrix(classes):
    actual, probabilities = task(classes=classes)
    point = operating_point.summary(actual, probabilities, 1, 0.3)
    positive, called = actual == 1, probabilities[:, 1] >= 0.3
    (tn, fp), (fn, tp) = confusion_matrix(positive, called)
    expected = {"sensitivity": tp / (tp + fn), "specificity": tn / (tn + fp),
                "ppv": tp / (tp + fp), "npv": tn / (tn + fn)}  # fmt: skip
    assert {name: point[name] for name in expected} == pytest.approx(expected)
    (tn, fp), (fn, tp) = confusion_matrix(positive, probabilities.argmax(1) == 1)
    assert point["most_probable"]["sensitivity"] == pytest.approx(tp / (tp + fn))
    assert point["most_probable"]["specificity"] == pytest.approx(tn / (tn + fp))
    called = operating_point.decisions(probabilities, 1, 0.3)
    assert point["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(actual, called))


def test_below_the_threshold_the_best_other_class_is_called():
    probs = np.array([[0.2, 0.5, 0.3], [0.1, 0.6, 0.3], [0.7, 0.2, 0.1]])
    assert operating_point.decisions(probs, 1, 0.55).tolist() == [2, 1, 0]
    assert operating_point.decisions(probs, 1, 0.2).tolist() == [1, 1, 1]


def test_nothing_positive_has_no_sensitivity():
    point = operating_point.summary(np.zeros(3, int), np.full((3, 2), 0.5), 1, 0.4)
    assert point["sensitivity"] is None
    assert point["specificity"] == 0


@pytest.mark.parametrize(
    ("wanted", "classes", "found"),
    [
        (["COVID", "COVID-19"], ["COVID", "Normal"], "COVID"),
        (["COVID", "COVID-19"], ["COVID-19", "other"], "COVID-19"),
        (["COVID", "COVID-19"], ["Covid", "Normal"], "Covid"),
        (["COVID", "COVID-19"], ["covid", "non"], "covid"),
        (["TB", "COVID"], ["COVID", "TB"], "TB"),
        (["COVID"], ["pneumonia", "normal"], None),
        ([], ["COVID", "normal"], None),
    ],
)
def test_the_positive_class_is_the_first_wanted_that_there_is(wanted, classes, found):
    assert operating_point.positive_class(wanted, classes) == found
