import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from cxr.heatmaps.belief import believe
from cxr.pipeline.params import Evaluate
from stages.gradcam.localization import border_scores, floor_maps, region_scores
from stages.gradcam.summary import judge

SETTINGS = Evaluate(
    seed=0, resamples=200, confidence=0.95, positive_class=[], target_sensitivity=0.95
)
IMAGES = 40


def one_map(heat):
    maps = np.zeros((1, 20, 20), np.float32)
    for (row, column), value in heat.items():
        maps[0, row, column] = value
    return maps


def left_half(images=1):
    masks = np.zeros((images, 20, 20), np.uint8)
    masks[:, :, :10] = 1
    return masks


def lungs(maps, masks):
    return region_scores("lungs", maps, {}, masks)


def test_heat_in_the_region_is_set_against_its_share_of_the_image():
    maps = one_map({(9, 5): 0.75, (9, 12): 0.25})
    row = lungs(maps, left_half()).iloc[0]
    assert row["lungs_heat"] == pytest.approx(0.75)
    assert row["lungs_area"] == pytest.approx(0.5)
    assert row["lungs_excess"] == pytest.approx(0.25)
    expected = average_precision_score(left_half().ravel(), maps.ravel())
    assert row["lungs_precision"] == pytest.approx(expected)


@pytest.mark.parametrize(("place", "hit"), [((9, 5), 1), ((9, 12), 0)])
def test_a_map_points_at_its_maximum(place, hit):
    maps = one_map({(3, 3): 0.5, (3, 14): 0.5, place: 0.9})
    assert lungs(maps, left_half())["lungs_hit"].tolist() == [hit]


def test_the_border_is_a_tenth_of_the_side():
    row = border_scores(one_map({(1, 10): 0.5, (2, 10): 0.3, (10, 19): 0.2})).iloc[0]
    assert row["border_heat"] == pytest.approx(0.7)
    assert row["border_area"] == pytest.approx(1 - 16 * 16 / 400)


def test_an_empty_map_is_a_miss_and_without_a_mask_nothing_is_said():
    maps = np.concatenate([one_map({(9, 5): 1}), one_map({}), one_map({(9, 15): 1})])
    masks = left_half(3)
    masks[2] = 0
    scores = region_scores("lungs", maps, {"untrained": [maps, maps[[1, 1, 1]]]}, masks)
    own = ["lungs_heat", "lungs_excess", "lungs_precision"]
    assert scores[own].isna().to_numpy().tolist() == [[False] * 3, [True] * 3, [True] * 3]
    assert scores["lungs_hit"].tolist() == pytest.approx([1, 0, np.nan], nan_ok=True)
    assert scores["lungs_hit_untrained"].tolist() == pytest.approx([0.5, 0, np.nan], nan_ok=True)
    assert scores["lungs_area"].isna().tolist() == [False, False, True]


def planted():
    """Images with a lesion at a random place, and a marker in one corner."""
    random = np.random.default_rng(0)
    images = random.integers(80, 100, (IMAGES, 20, 20)).astype(np.uint8)
    lesions = np.zeros_like(images)
    for lesion in lesions:
        row, column = random.integers(3, 14, 2)
        lesion[row : row + 3, column : column + 3] = 1
    images[lesions > 0] += 30
    images[:, :2, :2] = 255
    return images, lesions


def judged(maps):
    images, lesions = planted()
    untrained = [np.random.default_rng(1).random(maps.shape, np.float32)]
    floors = floor_maps(maps, maps.sum(0), images, untrained)
    scores = pd.concat(
        [region_scores(name, maps, floors, lesions) for name in ("lesion", "lungs")], axis=1
    )
    return judge(scores.assign(split_group=[f"p{row}" for row in range(IMAGES)]), SETTINGS)


def test_looking_at_the_lesion_is_told_from_looking_at_the_marker():
    images, lesions = planted()
    at_lesion = judged(lesions.astype(np.float32))
    assert at_lesion["region"] == "lesion"
    assert at_lesion["hit_rate"] == 1
    assert at_lesion["explains"]
    assert believe({"judgement": at_lesion, "class": {}}).overall.startswith(
        "These heatmaps passed"
    )
    at_marker = judged((images == 255).astype(np.float32))
    assert at_marker["hit_rate"] == 0
    assert not at_marker["explains"]
    assert believe({"judgement": at_marker, "class": {}}).overall.startswith("Do not rely on")


def test_each_class_is_judged_by_its_own_maps():
    images, lesions = planted()
    passed, failed = judged(lesions.astype(np.float32)), judged((images == 255).astype(np.float32))
    of_class = {"A": passed, "B": failed, "C": failed, "Normal": failed | {"region": "lungs"}}
    summary = {
        "judgement": passed,
        "class": {name: {"judgement": judgement} for name, judgement in of_class.items()},
    }
    verdict = believe(summary)
    assert verdict.overall.startswith("These heatmaps passed the test")
    assert verdict.overall.endswith(". Those of B and C did not pass.")
    assert verdict.of_class("A").startswith("The heatmaps of A passed the test")
    assert verdict.of_class("B").startswith("Do not rely on the heatmaps of B")
    assert "there are no lesions" in verdict.of_class("Normal")


def test_a_map_that_is_always_at_one_place_does_not_beat_the_mean_map():
    always = np.zeros((IMAGES, 20, 20), np.float32)
    always[:, 8, 9] = 1
    verdict = judged(always)
    assert verdict["margin"] <= 0
    assert not verdict["explains"]
