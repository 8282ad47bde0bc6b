import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

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
    point = choose_operating_point(["b"], 0.6, classes, validation)
    assert point == OperatingPoint("B", 1, 0.6, 0.4, validation_images=4)
    assert choose_operating_point(["c"], 0.75, classes, validation) is None
    assert choose_operating_point(["b"], 0.75, classes, {"a": [0.1], "B": []}) is None


@pytest.mark.parametrize("sensitivity", [0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("images", [19, 20, 34, 163])
def test_new_images_are_detected_with_the_sensitivity_and_hardly_more(images, sensitivity):
    """The mean over 4000 draws of uniform scores, of which the threshold itself is what is missed:
    a beta variable of which the standard deviation is at most 0.5 / sqrt(n + 2)."""
    draws = np.sort(np.random.default_rng(images).random((4000, images)), axis=1)
    thresholds = [threshold_for_sensitivity(draw, sensitivity) for draw in draws.tolist()]
    noise = 4 * 0.5 / np.sqrt((images + 2) * len(draws))
    detected = 1 - np.mean(thresholds)
    assert sensitivity - noise <= detected <= sensitivity + 1 / (images + 1) + noise


def test_the_threshold_is_exact_where_the_share_is_a_whole_number_of_images():
    assert threshold_for_sensitivity([n / 100 for n in range(1, 20)], 0.9) == 0.02
    assert threshold_for_sensitivity([0.1, 0.2], 1e-12) == 0.2


@pytest.mark.parametrize(("images", "sensitivity"), [(1, 0.5), (7, 0.95), (18, 0.95), (400, 1.0)])
def test_too_few_images_for_the_sensitivity_are_all_detected(images, sensitivity):
    assert threshold_for_sensitivity([0.1 + n / 1000 for n in range(images)], sensitivity) == 0.1
