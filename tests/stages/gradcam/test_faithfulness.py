from itertools import pairwise

import numpy as np
import pytest

from stages.gradcam import faithfulness

SIDE = 20


def square(grey=200):
    """One image: a bright square of a fifth of the pixels on grey 100."""
    image = np.full((1, SIDE, SIDE), 100, np.uint8)
    image[0, 5:13, 5:15] = grey
    return image


def class_probability(images):
    """The share of the square that is still bright."""
    return (images[:, 5:13, 5:15] == 200).mean(axis=(1, 2))


def perfect():
    heat = np.zeros((1, SIDE, SIDE), np.float32)
    heat[0, 5:13, 5:15] = 1
    return heat


def measure(maps, randoms, images=None):
    images = square() if images is None else images
    return faithfulness.faithfulness_scores(
        class_probability, images, maps, randoms, grey=100
    ).iloc[0]


def test_a_perfect_map_deletes_and_inserts_all_in_the_first_fifth():
    # The square is a fifth of the pixels, and so is a step: 1, 0, 0, 0, 0, 0 and its mirror.
    scores = measure(perfect(), 1 - perfect())
    assert scores["deletion"] == pytest.approx(0.1)
    assert scores["insertion"] == pytest.approx(0.9)
    # The opposite map comes to the square in the last fifth: 1, 1, 1, 1, 1, 0.
    assert scores["deletion_gain"] == pytest.approx(0.9 - 0.1)
    assert scores["insertion_gain"] == pytest.approx(0.9 - 0.1)


def test_the_area_is_what_comes_out_pixel_set_by_pixel_set():
    random = np.random.default_rng(0)
    heat = random.random((1, SIDE, SIDE)).astype(np.float32)
    image = square()
    order = np.argsort(-heat.ravel())
    heights = []
    for step in range(6):
        changed = image.copy().reshape(-1)
        changed[order[: step * 80]] = 100
        heights.append(class_probability(changed.reshape(image.shape))[0])
    expected = sum((a + b) / 2 * 0.2 for a, b in pairwise(heights))
    assert measure(heat, heat)["deletion"] == pytest.approx(expected)
    assert measure(heat, heat)["deletion_gain"] == 0


def test_what_a_map_leaves_even_goes_in_the_order_of_the_random_map():
    flat = np.full((1, SIDE, SIDE), 0.5, np.float32)
    random = faithfulness.make_random_maps([[0, 1]], 4, 4, SIDE)
    scores = measure(flat, random)
    assert scores["deletion_gain"] == pytest.approx(0, abs=0.02)
    assert scores["insertion_gain"] == pytest.approx(0, abs=0.02)


def test_of_an_empty_map_nothing_is_said():
    assert measure(np.zeros_like(perfect()), perfect()).isna().all()


def test_random_maps_belong_to_their_seed_and_are_as_coarse_as_asked():
    maps = faithfulness.make_random_maps([[0, 1], [0, 2], [0, 1]], 1, 2, SIDE)
    assert (maps[0] == maps[2]).all()
    assert not (maps[0] == maps[1]).all()
    # One cell high: every row is the same.
    assert maps == pytest.approx(np.repeat(maps[:, :1], SIDE, axis=1), abs=1e-6)
    assert maps.std() > 0
