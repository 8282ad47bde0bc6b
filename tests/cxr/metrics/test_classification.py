import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics

from cxr.metrics import bootstrap, classification
from tests.helpers.probabilities import drawn, task


def by_sklearn(actual, probabilities):
    predicted = probabilities.argmax(1)
    present = np.unique(actual)
    areas = [metrics.roc_auc_score(actual == one, probabilities[:, one]) for one in present]
    return {
        "accuracy": metrics.accuracy_score(actual, predicted),
        "balanced_accuracy": metrics.recall_score(
            actual, predicted, labels=present, average="macro"
        ),
        "macro_f1": metrics.f1_score(actual, predicted, labels=present, average="macro"),
        "auroc": np.mean(areas),
        "average_precision": np.mean(
            [
                metrics.average_precision_score(actual == one, probabilities[:, one])
                for one in present
            ]
        ),
        "mcc": metrics.matthews_corrcoef(actual, predicted),
    }


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_headline_is_that_of_scikit_learn(classes):
    actual, probabilities = task(classes=classes)
    ours = {
        name: value[0]
        for name, value in classification.headline_scores(actual, probabilities).items()
    }
    assert ours == pytest.approx(by_sklearn(actual, probabilities), abs=1e-12)


def test_scores_of_each_class_are_those_of_scikit_learn():
    actual, probabilities = task()
    predicted = probabilities.argmax(1)
    ours = classification.class_scores(actual, probabilities)
    theirs = metrics.precision_recall_fscore_support(actual, predicted)
    for name, expected in zip(("ppv", "sensitivity", "f1", "support"), theirs, strict=True):
        assert ours[name][0] == pytest.approx(expected, abs=1e-12)
    for one in range(3):
        truth, called, score = actual == one, predicted == one, probabilities[:, one]
        expected = {
            "specificity": metrics.recall_score(truth, called, pos_label=False),
            "npv": metrics.precision_score(truth, called, pos_label=False),
            "auroc": metrics.roc_auc_score(truth, score),
            "average_precision": metrics.average_precision_score(truth, score),
        }
        found = {name: ours[name][0, one] for name in expected}
        assert found == pytest.approx(expected, abs=1e-12)


def test_macro_averages_are_those_of_scikit_learn():
    actual, probabilities = task()
    # Never called.
    probabilities[:, 2] = 0
    predicted = probabilities.argmax(1)
    ours = classification.macro_average(classification.class_scores(actual, probabilities))
    ppv, sensitivity, f1, _ = metrics.precision_recall_fscore_support(
        actual, predicted, average="macro", zero_division=0
    )
    expected = {"ppv": ppv, "sensitivity": sensitivity, "f1": f1}
    assert {name: ours[name][0] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert set(ours) == {"ppv", "npv", "sensitivity", "specificity", "f1", "auroc",
                         "average_precision"}  # fmt: skip


def test_a_class_without_test_images_has_no_scores_and_does_not_count():
    actual, probabilities = task(classes=4)
    probabilities = probabilities[actual != 2]
    actual = actual[actual != 2]
    absent = {
        name: values[0, 2]
        for name, values in classification.class_scores(actual, probabilities).items()
    }
    assert absent["support"] == 0
    assert np.isnan([absent["sensitivity"], absent["auroc"], absent["average_precision"]]).all()
    ours = {
        name: value[0]
        for name, value in classification.headline_scores(actual, probabilities).items()
    }
    assert ours == pytest.approx(by_sklearn(actual, probabilities), abs=1e-12)


def test_a_class_that_is_never_called_has_no_predictive_value_and_an_f1_of_zero():
    found = classification.class_scores(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]))
    assert np.isnan(found["ppv"][0, 1])
    assert found["sensitivity"][0, 1] == 0
    assert found["f1"][0, 1] == 0


def test_a_test_set_of_one_class_has_no_auroc():
    ours = classification.headline_scores(np.zeros(3, int), np.full((3, 2), 0.5))
    assert np.isnan(ours["auroc"][0])
    assert ours["accuracy"][0] == 1
    assert ours["mcc"][0] == 0


def test_weights_count_an_image_more_than_once():
    actual, probabilities = task(images=60)
    weights = np.random.default_rng(1).integers(0, 4, (5, 60))
    weighted = classification.headline_scores(actual, probabilities, weights.astype(float))
    for number, row in enumerate(weights):
        repeated = by_sklearn(np.repeat(actual, row), np.repeat(probabilities, row, axis=0))
        ours = {name: values[number] for name, values in weighted.items()}
        assert ours == pytest.approx(repeated, abs=1e-12)


def test_intervals_are_those_of_a_loop_over_resamples_of_patients():
    actual, probabilities = task(images=60)
    groups = np.random.default_rng(2).permutation([f"p{number // 3}" for number in range(60)])
    fast = bootstrap.bootstrap_intervals(
        lambda weights: classification.headline_scores(actual, probabilities, weights),
        groups,
        drawn(100, 0.9),
    )
    looped = []
    for weights in np.concatenate(list(bootstrap.resample_weights(groups, 100, seed=0))):
        rows = np.repeat(np.arange(60), weights.astype(int))
        looped.append(by_sklearn(actual[rows], probabilities[rows]))
    for name, interval in fast.items():
        low, high = np.quantile([resample[name] for resample in looped], [0.05, 0.95])
        assert interval == pytest.approx([low, high], abs=1e-12)


def test_copies_of_an_image_in_one_group_do_not_narrow_an_interval():
    actual, probabilities = task(images=80)
    groups = np.array([f"p{number}" for number in range(80)])

    def interval(copies, groups):
        images, probs = np.repeat(actual, copies), np.repeat(probabilities, copies, axis=0)
        found = bootstrap.bootstrap_intervals(
            lambda weights: classification.headline_scores(images, probs, weights),
            groups,
            drawn(300),
        )
        return found["accuracy"]

    alone = interval(1, groups)
    assert interval(5, np.repeat(groups, 5)) == pytest.approx(alone)
    taken_for_patients = interval(5, np.array([f"p{number}" for number in range(400)]))
    assert np.ptp(taken_for_patients) < 0.7 * np.ptp(alone)


def test_whole_groups_are_drawn_as_many_as_there_are():
    groups = np.array(["b", "a", "b", "c", "a", "b"])
    blocks = list(bootstrap.resample_weights(groups, 50, seed=0))
    weights = np.concatenate(blocks)
    assert weights.shape == (50, 6)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 0] + weights[:, 1] + weights[:, 3] == 3).all()


def test_resamples_do_not_depend_on_how_they_are_batched(monkeypatch):
    groups = np.array([f"p{number // 2}" for number in range(30)])
    at_once = np.concatenate(list(bootstrap.resample_weights(groups, 40, seed=3)))
    monkeypatch.setattr(bootstrap, "BLOCK", 100)
    assert (np.concatenate(list(bootstrap.resample_weights(groups, 40, seed=3))) == at_once).all()
    assert not (
        np.concatenate(list(bootstrap.resample_weights(groups, 40, seed=4))) == at_once
    ).all()


def test_an_interval_is_over_the_resamples_in_which_the_score_is_defined():
    groups = np.array(["a", "b", "c"])

    def statistics(weights):
        return {
            "some": np.where(weights[:, :1] > 0, weights[:, :1], np.nan),
            "never": np.full(len(weights), np.nan),
        }

    found = bootstrap.bootstrap_intervals(statistics, groups, drawn(200))
    assert found["some"].tolist() == [[1], [3]] or found["some"].tolist() == [[1], [2]]
    assert np.isnan(found["never"]).all()


@pytest.mark.parametrize("found", [0, 10])
def test_a_share_of_none_or_all_is_not_certain(found):
    low, high = bootstrap.exact_if_degenerate(np.full(2, found / 10), groups=10, confidence=0.95)
    expected = binomtest(found, 10).proportion_ci(0.95, method="exact")
    assert (low, high) == pytest.approx((expected.low, expected.high))


def test_other_intervals_stay():
    for ends in ([0.5, 1.0], [0.5, 0.5], [np.nan, np.nan]):
        same = bootstrap.exact_if_degenerate(np.array(ends), groups=10, confidence=0.95)
        assert same.tolist() == pytest.approx(ends, nan_ok=True)


def test_a_single_patient_told_partly_right_has_no_interval():
    assert np.isnan(
        bootstrap.exact_if_degenerate(np.array([0.5, 0.5]), groups=1, confidence=0.95)
    ).all()
    low, high = bootstrap.exact_if_degenerate(np.array([1.0, 1.0]), groups=1, confidence=0.95)
    assert (low, high) == pytest.approx((0.025, 1))
