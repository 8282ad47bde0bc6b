from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cxr.commands import paired
from cxr.commands.compare.configurations import group_runs
from cxr.commands.compare.cost import model_cost
from cxr.commands.compare.leaderboard import conclusion, leaderboard
from cxr.commands.compare.plot import draw_leaderboards
from cxr.commands.compare.render import render_leaderboards
from cxr.pipeline.params import load
from tests.helpers.closure import ROOT
from tests.helpers.revisions import run

SETTINGS = load(ROOT / "params.yaml").evaluate.model_copy(update={"resamples": 400})


def table(*runs, by="balanced_accuracy"):
    (comparison,) = group_runs(list(runs))
    return comparison, leaderboard(comparison, by, SETTINGS)


def test_the_best_comes_first_and_the_others_are_judged_against_it():
    right = {tenths: [number % 10 < tenths for number in range(200)] for tenths in (5, 9)}
    worst, first = run("a", right[5], 200), run("b", right[9], 200, model="mobilenetv2")
    _, found = table(worst, first, run("c", right[9][::-1], 200, model="simple_cnn", seed=3))
    assert found["revisions"].tolist() == ["b", "c", "a"]
    assert found["result"].tolist() == ["best", "no significant difference", "worse"]
    assert found["p"].isna().tolist() == [True, False, False]
    # Two comparisons: the smaller p counts twice.
    assert found["mcnemar_p"].iloc[2] == pytest.approx(2 * paired.mcnemar_p([worst], [first]))
    difference = found["balanced_accuracy"].iloc[2] - found["balanced_accuracy"].iloc[0]
    assert found["balanced_accuracy_difference"].iloc[2] == pytest.approx(difference)
    said = conclusion(found, "balanced_accuracy")
    assert said == (
        "The best by balanced accuracy is model=mobilenetv2. It is significantly better than "
        "model=resnet18. The difference from model=simple_cnn is not significant."
    )


def test_one_ranked_lower_is_not_worse_if_it_is_better_on_the_shared_images():
    easy = [number % 10 < 9 for number in range(200)]
    hard = [number % 10 < 5 for number in range(200)]
    first = run("a", [number % 10 < 8 for number in range(200)], 200)
    other = {"model": "mobilenetv2", "images": 200}
    folds = [
        run("b", easy, **other),
        run("c", hard, prefix="b", split__fold=1, **other),
    ]
    _, found = table(first, *folds)
    assert found["revisions"].tolist() == ["a", "b c"]
    assert found["balanced_accuracy_difference"].iloc[1] > 0
    assert found["result"].tolist() == ["best", "better on the shared test images"]


def test_the_score_to_rank_by_can_be_chosen():
    plain = run("a")
    # All are called Normal, but the Normal ones with more conviction.
    normal = np.where(plain.actual == 1, 0.9, 0.6)
    ordered = replace(run("b", model="mobilenetv2"), probs=np.column_stack([1 - normal, normal]))
    assert table(plain, ordered)[1]["revisions"].tolist() == ["a", "b"]
    assert table(plain, ordered, by="auroc")[1]["revisions"].tolist() == ["b", "a"]


def test_repeats_are_given_as_mean_and_standard_deviation():
    runs = [run(f"s{seed}", 0.7, train__seed=seed, seed=seed) for seed in range(3)]
    comparison, found = table(*runs)
    told = [paired.is_correct(one).mean() for one in runs]
    assert found["runs"].tolist() == [3]
    assert found["accuracy"].iloc[0] == pytest.approx(np.mean(told))
    assert found["accuracy_sd"].iloc[0] == pytest.approx(np.std(told, ddof=1))
    text = render_leaderboards([(comparison, found)], "balanced_accuracy", 0.95)
    assert f"{np.mean(told):.3f} ± {np.std(told, ddof=1):.3f} (" in text
    assert "There is one run of each" not in text


def test_a_table_of_single_runs_says_what_is_not_in_it():
    comparison, found = table(run("a"), run("b", model="mobilenetv2", seed=1))
    text = render_leaderboards([(comparison, found)], "balanced_accuracy", 0.95)
    assert set(found["timm"]) == {"resnet18", "mobilenetv2_100"}
    assert text.count("| mobilenetv2_100 |") == 1
    assert "the intervals do not include the variation between seeds" in text


def test_one_configuration_alone_is_compared_with_nothing():
    _, found = table(run("a"))
    assert conclusion(found, "auroc") == "There is nothing to compare model=resnet18 with."


def test_a_flip_at_test_time_costs_a_second_pass():
    plain, flipped = (
        table(run("a", recipes__scratch__test_time_flip=flip))[1].iloc[0] for flip in (False, True)
    )
    assert flipped["multiply_adds"] == 2 * plain["multiply_adds"]
    assert flipped["parameters"] == plain["parameters"]


def test_costs_are_those_that_are_published():
    # He et al. 2016: 1.8e9 multiply-adds. One input channel instead of three saves two thirds of
    # the first layer, 7 x 7 x 64 weights applied 112 x 112 times.
    found = model_cost("resnet18", 1000, 224, "pooled")
    assert found.multiply_adds == pytest.approx(1.814e9 - 2 * 49 * 64 * 112**2, rel=2e-3)
    assert found.parameters == 11_689_512 - 2 * 49 * 64
    # Batch norm's statistics are kept too: 4800 means and variances each, 20 counts.
    assert found.megabytes == pytest.approx((found.parameters + 2 * 4800) * 4e-6 + 20 * 8e-6)


def test_a_finer_pyramid_has_fewer_stages():
    fine, usual = (model_cost("resnet18", 3, 96, "pyramid", stride) for stride in (4, 8))
    assert fine.parameters < usual.parameters / 2


def test_the_picture_and_the_text_are_the_same_bytes_again(tmp_path):
    runs = [
        run("a"),
        run("b", model="mobilenetv2", seed=1),
        run("c", dataset="covid19_image", prefix="c"),
    ]
    written = []
    for order in (runs, runs[::-1]):
        tables = [
            (comparison, leaderboard(comparison, "auroc", SETTINGS))
            for comparison in group_runs(order)
        ]
        draw_leaderboards(tmp_path / "one.png", tables, "auroc", 0.95)
        written.append(
            (render_leaderboards(tables, "auroc", 0.95), (tmp_path / "one.png").read_bytes())
        )
    assert written[0] == written[1]
    assert Image.open(tmp_path / "one.png").width > 1000
