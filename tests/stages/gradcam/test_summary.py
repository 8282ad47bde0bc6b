import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap, norm

from cxr.pipeline.params import Evaluate
from stages.gradcam import summary
from stages.gradcam.summary import MEASURES

SETTINGS = Evaluate(
    seed=0, resamples=2000, confidence=0.95, positive_class=[], target_sensitivity=0.95
)


def measured(images=60, seed=0, **columns):
    random = np.random.default_rng(seed)
    table = pd.DataFrame({name: random.random(images) for name in MEASURES})
    table = table.assign(
        target=np.where(np.arange(images) % 3, "a", "b"),
        split_group=[f"{seed}-{number}" for number in range(images)],
        empty=False,
        perturbed=True,
    )
    return table.assign(**columns)


def test_means_and_intervals_of_single_groups_are_those_of_scipy():
    table = measured()
    summarized = summary.summarize(table, SETTINGS)
    for name in ("lungs_heat", "deletion_gain"):
        values = table[name].to_numpy()
        assert summarized[name] == pytest.approx(values.mean())
        expected = bootstrap((values,), np.mean, method="percentile", n_resamples=5000, rng=1)
        ends = summarized["interval"][name]
        low, high = expected.confidence_interval
        assert [ends["low"], ends["high"]] == pytest.approx([low, high], abs=0.01)


def test_images_of_one_group_are_one_observation():
    single = summary.summarize(measured(), SETTINGS)
    values = np.repeat(np.random.default_rng(0).random(20), 3)
    groups = np.repeat([f"p{number}" for number in range(20)], 3)
    table = measured(lungs_heat=values, split_group=groups)
    assert summary.summarize(table, SETTINGS)["groups"] == 20
    ends = summary.summarize(table, SETTINGS)["interval"]["lungs_heat"]
    error = values.std() / np.sqrt(20)
    width = 2 * norm.ppf(0.975) * error
    assert ends["high"] - ends["low"] == pytest.approx(width, rel=0.1)
    assert width > 1.3 * (
        single["interval"]["lungs_heat"]["high"] - single["interval"]["lungs_heat"]["low"]
    )


def test_a_mean_is_over_the_images_where_the_number_is_known():
    shift = np.where(np.arange(60) < 10, 0.5, np.nan)
    summarized = summary.summarize(measured(shift=shift, perturbed=np.arange(60) < 10), SETTINGS)
    assert summarized["shift"] == 0.5
    assert summarized["perturbed"] == 10
    nothing = summary.summarize(measured(lungs_heat=np.nan, lungs_hit=np.nan), SETTINGS)
    assert nothing["lungs_heat"] is None
    assert nothing["interval"]["lungs_heat"] == {"low": None, "high": None}


def test_one_group_has_no_interval():
    shift = np.where(np.arange(60) < 1, 0.5, np.nan)
    single = measured(shift=shift)
    assert summary.summarize(single, SETTINGS)["shift"] == 0.5
    assert summary.summarize(single, SETTINGS)["interval"]["shift"] == {"low": None, "high": None}
    assert summary.summarize(single, SETTINGS)["interval"]["brightness"]["low"] is not None
    between = summary.summarize_difference(measured(seed=1), single, SETTINGS)
    assert between["interval"]["shift"] == {"low": None, "high": None}
    assert between["interval"]["brightness"]["low"] is not None


def test_a_hit_in_every_image_is_not_certain():
    ends = summary.summarize(measured(lungs_hit=1.0), SETTINGS)["interval"]["lungs_hit"]
    assert ends == {"low": pytest.approx(0.025 ** (1 / 60)), "high": 1}


def test_every_class_has_every_key_also_one_without_images():
    summarized = summary.summarize_by_class(measured(), ["a", "b", "none"], SETTINGS)
    assert summarized["class"]["a"]["images"] == 40
    assert summarized["class"]["none"]["images"] == 0
    assert summarized["class"]["none"].keys() == summarized["class"]["a"].keys()
    assert summarized["class"]["none"]["lungs_heat"] is None
    assert summarized["class"]["none"]["interval"].keys() == set(MEASURES)


def test_the_difference_of_two_subsets_has_the_error_of_both():
    first, second = measured(80, seed=1), measured(50, seed=2)
    summarized = summary.summarize_difference(first, second, SETTINGS)
    a, b = first["border_heat"], second["border_heat"]
    assert summarized["border_heat"] == pytest.approx(a.mean() - b.mean())
    width = 2 * norm.ppf(0.975) * np.sqrt(a.var() / 80 + b.var() / 50)
    ends = summarized["interval"]["border_heat"]
    assert ends["high"] - ends["low"] == pytest.approx(width, rel=0.1)
