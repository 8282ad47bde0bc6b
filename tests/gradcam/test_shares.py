import numpy as np
import pytest

from stages.gradcam import shares


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
    row = shares.measure(one_map({(9, 5): 0.75, (9, 12): 0.25}), left_half()).iloc[0]
    assert row["lungs_heat"] == pytest.approx(0.75)
    assert row["lungs_area"] == pytest.approx(0.5)


def test_the_border_is_a_tenth_of_the_side():
    row = shares.measure(one_map({(1, 10): 0.5, (2, 10): 0.3, (10, 19): 0.2}), left_half()).iloc[0]
    assert row["border_heat"] == pytest.approx(0.7)
    assert row["border_area"] == pytest.approx(1 - 16 * 16 / 400)


def test_even_heat_has_the_share_of_the_area():
    row = shares.measure(np.full((1, 20, 20), 0.3, np.float32), left_half()).iloc[0]
    assert row["lungs_heat"] == pytest.approx(row["lungs_area"])
    assert row["border_heat"] == pytest.approx(row["border_area"])


def test_empty_maps_and_missing_masks_are_counted_and_left_out_of_the_means():
    maps = np.concatenate([one_map({(9, 5): 1}), one_map({}), one_map({(9, 15): 1})])
    masks = left_half(3)
    masks[2] = 0
    measured = shares.measure(maps, masks)
    assert measured.loc[2, ["lungs_heat", "lungs_area"]].isna().all()
    summary = shares.summary(measured)
    assert summary["images"] == 3
    assert summary["empty"] == 1
    assert summary["lungs"] == {"images": 1, "heat": 1.0, "area": 0.5}
    assert summary["border"]["heat"] == 0


def test_of_nothing_nothing_is_said():
    summary = shares.summary(shares.measure(one_map({}), left_half()))
    assert summary["lungs"] == {"images": 0, "heat": None, "area": None}
    assert summary["border"] == {"heat": None, "area": None}
