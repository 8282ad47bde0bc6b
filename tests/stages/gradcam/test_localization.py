import numpy as np
import pytest

from stages.gradcam.localization import localization_scores


def one_map(heat):
    maps = np.zeros((1, 20, 20), np.float32)
    for (row, column), value in heat.items():
        maps[0, row, column] = value
    return maps


def left_half(images=1):
    masks = np.zeros((images, 20, 20), np.uint8)
    masks[:, :, :10] = 1
    return masks


def test_heat_in_the_lungs_is_set_against_their_share_of_the_image():
    row = localization_scores(one_map({(9, 5): 0.75, (9, 12): 0.25}), left_half()).iloc[0]
    assert row["lungs_heat"] == pytest.approx(0.75)
    assert row["lungs_area"] == pytest.approx(0.5)
    assert row["lungs_excess"] == pytest.approx(0.25)


@pytest.mark.parametrize(("place", "hit"), [((9, 5), 1), ((9, 12), 0)])
def test_a_map_points_at_its_maximum(place, hit):
    maps = one_map({(3, 3): 0.5, (3, 14): 0.5, place: 0.9})
    assert localization_scores(maps, left_half())["lungs_hit"].tolist() == [hit]


def test_the_border_is_a_tenth_of_the_side():
    row = localization_scores(
        one_map({(1, 10): 0.5, (2, 10): 0.3, (10, 19): 0.2}), left_half()
    ).iloc[0]
    assert row["border_heat"] == pytest.approx(0.7)
    assert row["border_area"] == pytest.approx(1 - 16 * 16 / 400)


def test_even_heat_has_the_share_of_the_area():
    row = localization_scores(np.full((1, 20, 20), 0.3, np.float32), left_half()).iloc[0]
    assert row["lungs_heat"] == pytest.approx(row["lungs_area"])
    assert row["border_heat"] == pytest.approx(row["border_area"])


def test_of_empty_maps_and_without_masks_nothing_is_said():
    maps = np.concatenate([one_map({(9, 5): 1}), one_map({}), one_map({(9, 15): 1})])
    masks = left_half(3)
    masks[2] = 0
    measured = localization_scores(maps, masks)
    unknown = measured.isna()
    of_lungs = ["lungs_heat", "lungs_excess", "lungs_hit"]
    assert unknown[of_lungs].to_numpy().tolist() == [[False] * 3, [True] * 3, [True] * 3]
    assert unknown["lungs_area"].tolist() == [False, False, True]
    assert unknown["border_heat"].tolist() == [False, True, False]
