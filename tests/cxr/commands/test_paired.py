from math import comb

import numpy as np
import pytest
from scipy import stats

from cxr.commands import paired
from cxr.pipeline.params import load
from stages.evaluate import metrics
from tests.helpers.closure import ROOT
from tests.helpers.revisions import run

SETTINGS = load(ROOT / "params.yaml").evaluate.model_copy(update={"resamples": 1000})


@pytest.mark.parametrize("right", [0.7, 1.0])
def test_a_single_run_has_the_interval_of_the_evaluate_stage(right):
    one = run("one", right)
    expected, by_class = metrics.overall_and_class_metrics(
        one.actual, one.probs, one.test["split_group"].to_numpy(), one.classes, SETTINGS
    )
    (found,) = paired.score_configurations([[one]], SETTINGS)
    for name, ends in expected["interval"].items():
        estimate = found.estimate(name)
        assert estimate.value == pytest.approx(expected[name])
        assert (estimate.low, estimate.high) == pytest.approx((ends["low"], ends["high"]))
    sensitivity = found.estimate("sensitivity_COVID")
    assert sensitivity.value == pytest.approx(by_class["COVID"]["sensitivity"])


def test_the_difference_of_accuracies_has_the_interval_of_scipy():
    # Copies of an image in one group are no more than the image.
    one, other = run("one", 0.8, 120, 3, seed=1), run("other", 0.6, 120, 3, seed=2)
    told = [paired.is_correct(each).reshape(40, 3).mean(1) for each in (one, other)]
    expected = stats.bootstrap(
        told,
        lambda ours, theirs, axis: ours.mean(axis) - theirs.mean(axis),
        paired=True,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    scored = paired.score_configurations(
        [[one], [other]], SETTINGS.model_copy(update={"resamples": 4000})
    )
    found = scored[0].difference(scored[1], "accuracy")
    assert found.value == pytest.approx(told[0].mean() - told[1].mean())
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.012)


def test_the_difference_of_other_scores_has_the_interval_of_a_plain_loop():
    runs = [run("one", 0.7, seed=1), run("other", 0.6, seed=2)]
    random, drawn = np.random.default_rng(1), []
    groups = runs[0].test["split_group"].to_numpy()
    members = {group: np.flatnonzero(groups == group) for group in np.unique(groups)}
    for _ in range(2000):
        some = np.concatenate([members[name] for name in random.choice([*members], len(members))])
        one, other = (
            np.mean(
                [
                    paired.is_correct(each)[some][each.actual[some] == label].mean()
                    for label in (0, 1)
                ]
            )
            for each in runs
        )
        drawn.append(one - other)
    scored = paired.score_configurations([[one] for one in runs], SETTINGS)
    found = scored[0].difference(scored[1], "balanced_accuracy")
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.03)
    assert found.p == pytest.approx(2 * np.mean(np.array(drawn) <= 0), abs=0.09)


def test_p_is_small_where_the_interval_leaves_0_and_1_for_the_same_predictions():
    one, good, same = run("one", 0.5), run("good", 0.95, seed=3), run("same", 0.5)
    scored = paired.score_configurations([[one], [good], [same]], SETTINGS)
    better, alike = (other.difference(scored[0], "accuracy") for other in scored[1:])
    assert better.low > 0
    assert better.p < 0.05
    assert (alike.low, alike.high, alike.p) == (0, 0, 1)


def test_mcnemar_counts_the_images_that_one_alone_tells_right():
    first = np.arange(60) < 40
    second = np.arange(60) < 30
    second[50:52] = True
    # 10 against 2: the tails of a binomial distribution of 12.
    expected = 2 * sum(comb(12, count) for count in range(3)) / 2**12
    one, other = run("one", first), run("other", second)
    assert paired.mcnemar_p([one], [other]) == pytest.approx(expected)
    assert paired.mcnemar_p([one], [one]) == 1


def test_holm_corrects_as_in_the_textbook():
    corrected = paired.holm_correction([0.01, None, 0.04, 0.03, 0.005])
    assert corrected == pytest.approx([0.03, None, 0.06, 0.06, 0.02])


def test_repeats_vary_by_the_standard_error_of_their_mean():
    values = np.array([0.2, 0.5, 0.6])
    drawn = paired.resample_runs(
        np.repeat(values[:, None], 20_000, axis=1), np.random.default_rng(0)
    )
    assert drawn.mean() == pytest.approx(values.mean(), abs=0.003)
    assert drawn.std() == pytest.approx(values.std(ddof=1) / np.sqrt(3), rel=0.02)


def test_repeats_over_seeds_are_averaged_and_widen_the_interval():
    seeds = [run(f"s{seed}", share, seed=seed) for seed, share in enumerate((0.4, 0.7, 0.95))]
    alone, averaged = paired.score_configurations([seeds[1:2], seeds], SETTINGS)
    each = [paired.is_correct(one).mean() for one in seeds]
    found = averaged.estimate("accuracy")
    assert found.value == pytest.approx(np.mean(each))
    assert averaged.runs("accuracy") == pytest.approx(each)
    one = alone.estimate("accuracy")
    assert found.high - found.low > one.high - one.low
    assert paired.mcnemar_p(seeds, seeds[:1]) is None


def test_folds_are_scored_each_on_its_own_images_and_paired_fold_by_fold():
    ours = [run("a0", 0.9, prefix="x"), run("a1", 0.7, 40, prefix="y")]
    theirs = [run("b0", 0.6, prefix="x", seed=1), run("b2", 0.1, prefix="z", seed=2)]
    one, other = paired.score_configurations([ours, theirs], SETTINGS)
    told = {each.name: paired.is_correct(each).mean() for each in (*ours, *theirs)}
    assert one.estimate("accuracy").value == pytest.approx((told["a0"] + told["a1"]) / 2)
    assert one.difference(other, "accuracy").value == pytest.approx(told["a0"] - told["b0"])
    assert paired.mcnemar_p(ours, theirs) == paired.mcnemar_p(ours[:1], theirs[:1])
    (apart,) = paired.score_configurations([theirs[1:]], SETTINGS)
    assert one.difference(apart, "accuracy") is None
    assert paired.mcnemar_p(ours, theirs[1:]) is None


def test_a_patient_in_two_test_sets_is_drawn_in_both():
    # Two splits with the same patients: the mean of both varies as one of them does.
    one = run("one", 0.6)
    again = run("again", 0.6)
    again.test["sha256"] = "another file of it"
    (found,) = paired.score_configurations([[one, again]], SETTINGS)
    first, second = (values["accuracy"] for values in found.resampled.values())
    assert (first == second).all()
