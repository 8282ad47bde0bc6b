import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from cxr.metrics import calibration_error
from tests.helpers.probabilities import task


@pytest.mark.parametrize("classes", [2, 4])
def test_scores_are_those_of_scikit_learn_and_torchmetrics(classes):
    actual, probabilities = task(classes=classes, digits=6)
    probabilities /= probabilities.sum(1, keepdims=True)
    ours = calibration_error.calibration_scores(actual, probabilities)
    brier = brier_score_loss(actual, probabilities, labels=range(classes), scale_by_half=False)
    assert ours["brier"][0] == pytest.approx(brier, abs=1e-12)
    ece = multiclass_calibration_error(
        torch.from_numpy(probabilities), torch.from_numpy(actual), classes, n_bins=15
    )
    assert ours["ece"][0] == pytest.approx(ece.item(), abs=1e-6)


def test_by_hand():
    # Two images in the bin up to 12/15 (0.8 itself belongs to it), one in the last.
    probabilities = np.array([[0.8, 0.2], [0.78, 0.22], [0.05, 0.95]])
    actual = np.array([0, 1, 1])
    ours = calibration_error.calibration_scores(actual, probabilities)
    assert ours["ece"][0] == pytest.approx((abs(1 - 1.58) + 0.05) / 3)
    brier = 2 * (0.2**2 + 0.78**2 + 0.05**2) / 3
    assert ours["brier"][0] == pytest.approx(brier)
    table = calibration_error.reliability_table(actual, probabilities)
    assert table["images"].tolist() == [2, 1]
    assert table["confidence"].tolist() == pytest.approx([0.79, 0.95])
    assert table["accuracy"].tolist() == [0.5, 1]


def test_certain_and_right_is_calibrated_and_certain_and_wrong_is_not():
    certain = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert calibration_error.calibration_scores(np.array([0, 0]), certain)["ece"][0] == 0
    assert calibration_error.calibration_scores(np.array([1, 1]), certain)["ece"][0] == 1
    assert calibration_error.calibration_scores(np.array([1, 1]), certain)["brier"][0] == 2


def test_weights_count_an_image_more_than_once():
    actual, probabilities = task(images=50, digits=6)
    weights = np.random.default_rng(1).integers(0, 4, (3, 50)).astype(float)
    weighted = calibration_error.calibration_scores(actual, probabilities, weights)
    for number, row in enumerate(weights.astype(int)):
        repeated = calibration_error.calibration_scores(
            np.repeat(actual, row), np.repeat(probabilities, row, axis=0)
        )
        for name, values in weighted.items():
            assert values[number] == pytest.approx(repeated[name][0], abs=1e-12)
