import time

import numpy as np
import pandas as pd
import pytest

from cxr.metrics import classification
from cxr.pipeline.params import Evaluate
from stages.evaluate import metrics, subgroups
from tests.helpers.probabilities import drawn, task


def test_a_mean_over_classes_is_no_surer_than_the_rarest_class():
    actual = np.array([0] * 30 + [1])
    patients = np.array([f"p{number}" for number in range(31)])
    amounts = classification.effective_groups(actual, patients)
    assert amounts["accuracy"] == 31
    assert {amounts[name] for name in amounts if name != "accuracy"} == {1}
    perfect = np.eye(2)[actual]
    found, of_classes = metrics.overall_and_class_metrics(
        actual, perfect, patients, ["a", "b"], drawn(100)
    )
    for name in ("balanced_accuracy", "auroc", "average_precision"):
        assert found["interval"][name] == pytest.approx({"low": 0.025, "high": 1})
    assert of_classes["a"]["interval"]["auroc"]["low"] == pytest.approx(0.025 ** (1 / 30))
    images = pd.DataFrame(
        {"split_group": patients, "view": np.where(np.arange(31) % 2, "AP", "PA")}
    )
    parts = subgroups.subgroup_metrics(images, actual, perfect, None, drawn(100)).set_index("value")
    assert parts.loc["PA", "balanced_accuracy_low"] == pytest.approx(0.025)
    assert parts.loc["AP", "balanced_accuracy_low"] == pytest.approx(0.025 ** (1 / 15))


def test_the_interval_of_ece_reaches_0_where_probabilities_mean_what_they_say():
    groups = np.array([f"p{number}" for number in range(300)])
    low = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        sure = random.uniform(0.5, 1, 300)
        actual = (random.random(300) > sure).astype(int)
        probs = np.stack([sure, 1 - sure], axis=1)
        found, _ = metrics.overall_and_class_metrics(actual, probs, groups, ["a", "b"], drawn(200))
        ends = found["interval"]["ece"]
        assert ends["low"] <= found["ece"] <= ends["high"]
        low.append(ends["low"])
    # Percentiles alone begin at 0.03 or more.
    assert np.median(low) < 0.001


def test_two_thousand_resamples_of_three_thousand_images_take_five_seconds_at_most():
    actual, probabilities = task(images=3000, classes=4, digits=6)
    probabilities /= probabilities.sum(1, keepdims=True)
    groups = np.array([f"p{number // 2}" for number in range(3000)])
    settings = Evaluate(
        resamples=2000, confidence=0.95, seed=0, positive_class=[], target_sensitivity=0.95
    )
    start = time.process_time()
    metrics.overall_and_class_metrics(actual, probabilities, groups, list("abcd"), settings)
    assert time.process_time() - start < 5
