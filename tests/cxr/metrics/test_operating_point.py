import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_curve

from cxr.metrics import operating_point
from cxr.metrics.operating_point import (
    OperatingPoint,
    choose_operating_point,
    find_positive_class,
    threshold_for_sensitivity,
)
from tests.helpers.probabilities import task


def point_at(threshold):
    return OperatingPoint("b", 1, 0.95, threshold, validation_images=20)


@pytest.mark.parametrize("classes", [2, 4])
def test_rates_are_those_of_the_confusion_matrix(classes):
    actual, probs = task(classes=classes)
    positive, predicted = actual == 1, point_at(0.3).is_positive(probs)
    rates = operating_point.binary_rates(positive, predicted)
    (tn, fp), (fn, tp) = confusion_matrix(positive, probs[:, 1] >= 0.3)
    expected = {"sensitivity": tp / (tp + fn), "specificity": tn / (tn + fp),
                "ppv": tp / (tp + fp), "npv": tn / (tn + fn)}  # fmt: skip
    assert {name: values[0] for name, values in rates.items()} == pytest.approx(expected)


def test_below_the_threshold_the_most_probable_other_class_is_predicted():
    probs = np.array([[0.2, 0.5, 0.3], [0.1, 0.6, 0.3], [0.7, 0.2, 0.1]])
    assert point_at(0.55).apply_threshold(probs).tolist() == [2, 1, 0]
    assert point_at(0.2).apply_threshold(probs).tolist() == [1, 1, 1]


def test_without_positive_images_there_is_no_sensitivity():
    rates = operating_point.binary_rates(np.zeros(3, bool), np.ones(3, bool))
    assert np.isnan(rates["sensitivity"][0])
    assert rates["specificity"][0] == 0


@pytest.mark.parametrize(
    ("names", "classes", "expected"),
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
def test_the_positive_class_is_the_first_name_that_is_a_class(names, classes, expected):
    assert find_positive_class(names, classes) == expected


def test_the_threshold_is_chosen_on_the_validation_images_of_the_positive_class():
    classes, validation = ["a", "B"], {"a": [0.1], "B": [0.2, 0.4, 0.6, 0.8]}
    point = choose_operating_point(["b"], 0.75, classes, validation)
    assert point == OperatingPoint("B", 1, 0.75, 0.4, validation_images=4)
    assert choose_operating_point(["c"], 0.75, classes, validation) is None
    assert choose_operating_point(["b"], 0.75, classes, {"a": [0.1], "B": []}) is None


@pytest.mark.parametrize("sensitivity", [0.5, 0.8, 0.9, 0.95, 1.0])
@pytest.mark.parametrize("images", [7, 20, 163])
def test_the_threshold_is_the_highest_with_the_sensitivity(images, sensitivity):
    random = np.random.default_rng(images)
    positive = np.arange(3 * images) < images
    score = np.round(random.random(3 * images) * 0.6 + 0.4 * positive, 2)
    _, sensitivities, thresholds = roc_curve(positive, score, drop_intermediate=False)
    expected = thresholds[sensitivities >= sensitivity - 1e-12].max()
    assert threshold_for_sensitivity(sorted(score[positive]), sensitivity) == expected
