import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import pearsonr

from cxr.models.info import ModelInfo
from stages.gradcam import agreement

SIDE = 40


def blobs(images=3, seed=0):
    """Smooth bright spots, none near the edge, on black."""
    random = np.random.default_rng(seed)
    spots = np.zeros((images, SIDE, SIDE))
    for spot in spots:
        row, column = random.integers(10, 30, 2)
        spot[row, column] = 1
    smooth = np.stack([gaussian_filter(spot, 3) for spot in spots])
    return (smooth / smooth.max() * 200).astype(np.uint8)


def brightness(images, classes):
    """An explanation that moves with the image: the image itself."""
    return images.astype(np.float32) / 255


def always_the_same(images, classes):
    ramp = np.linspace(0, 1, SIDE * SIDE, dtype=np.float32).reshape(1, SIDE, SIDE)
    return np.repeat(ramp, len(images), axis=0)


def nothing(images, classes):
    return np.zeros(images.shape, np.float32)


def measure(explain, explain_random, images):
    classes = np.zeros(len(images), int)
    maps = explain(images, classes)
    return agreement.agreement_scores(explain, [explain_random], images, classes, maps)


def test_a_map_that_moves_with_the_image_agrees_and_others_do_not():
    scores = measure(brightness, always_the_same, blobs())
    assert scores[["shift", "brightness"]].to_numpy() == pytest.approx(1, abs=1e-6)
    assert (scores["other_image"] < 0.9).all()
    assert (scores["random_weights"] < 0.5).all()


def test_a_map_that_never_changes_agrees_with_everything():
    scores = measure(always_the_same, always_the_same, blobs())
    assert scores[["brightness", "other_image", "random_weights"]].to_numpy() == pytest.approx(1)


def test_the_other_image_is_the_one_before():
    images = blobs()
    scores = measure(brightness, always_the_same, images)["other_image"]
    expected = [pearsonr(images[n].ravel(), images[n - 1].ravel()).statistic for n in range(3)]
    assert scores.to_numpy() == pytest.approx(expected, abs=1e-6)
    assert measure(brightness, always_the_same, images[:1])["other_image"].isna().all()


def correlation_with_the_ramp(images):
    ramp = always_the_same(images[:1], None)[0].ravel()
    return np.array([pearsonr(image.ravel(), ramp).statistic for image in images])


def test_random_weights_count_by_their_mean_and_a_map_that_went_out_as_no_agreement():
    images = blobs()
    classes, maps = np.zeros(3, int), brightness(images, None)
    half = 0.5 * (1 + correlation_with_the_ramp(images))
    two = agreement.agreement_scores(
        brightness, [brightness, always_the_same, nothing], images, classes, maps
    )
    assert two["random_weights"].to_numpy() == pytest.approx(half, abs=1e-6)
    assert two["random_empty"].to_numpy() == pytest.approx(1 / 3)
    out = agreement.agreement_scores(nothing, [nothing], images, classes, maps)
    assert (out[["shift", "brightness"]] == 0).all(axis=None)


def test_an_empty_map_has_nothing_to_agree_with():
    scores = measure(nothing, brightness, blobs())
    assert scores.drop(columns="random_empty").isna().all(axis=None)
    floors = measure(brightness, nothing, blobs())
    assert floors["random_weights"].isna().all()
    assert (floors["random_empty"] == 1).all()


def test_the_correlation_is_pearsons_zero_for_an_even_other_and_unknown_for_an_even_map():
    random = np.random.default_rng(0)
    maps, others = random.random((2, 4, 9, 9)).astype(np.float32)
    others[1] = maps[1] * 0.3 + 0.1
    scores = agreement.correlation(maps, others)
    expected = [pearsonr(a.ravel(), b.ravel()).statistic for a, b in zip(maps, others, strict=True)]
    assert scores == pytest.approx(expected, abs=1e-6)
    assert scores[1] == pytest.approx(1)
    maps[0], others[2] = 0.7, 0.7
    scores = agreement.correlation(maps, others)
    assert np.isnan(scores).tolist() == [True, False, False, False]
    assert scores[2] == 0


def test_a_shift_fills_what_becomes_free_from_the_edge():
    image = np.arange(9, dtype=np.uint8).reshape(1, 3, 3)
    assert agreement.shift(image, 1)[0].tolist() == [[0, 0, 1], [0, 0, 1], [3, 3, 4]]


def test_random_weights_are_the_same_again_differ_and_leave_other_chances_alone():
    info = ModelInfo("x", "simple_cnn", ["a", "b"], 32, 0.5, 0.25)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, same, other = (list(agreement.random_classifiers(info, seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    weights = [random.network.classifier.weight for random in (*first, *other)]
    assert torch.equal(weights[0], same[0].network.classifier.weight)
    for place, weight in enumerate(weights):
        assert not any(torch.equal(weight, earlier) for earlier in weights[:place])
