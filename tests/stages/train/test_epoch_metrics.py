import numpy as np
import pytest
import torch
from sklearn import metrics

from stages.train.epoch_metrics import epoch_metrics


def test_agrees_with_scikit_learn():
    random = np.random.default_rng(0)
    targets = random.integers(0, 4, 200)
    logits = random.normal(size=(200, 4)) + 1.2 * np.eye(4)[targets]
    weights = np.array([1.0, 2.0, 0.5, 3.0])
    computed = epoch_metrics(
        torch.tensor(logits).float(), torch.tensor(targets), torch.tensor(weights).float()
    )
    odds = np.exp(logits)
    probabilities = odds / odds.sum(1, keepdims=True)
    predicted = logits.argmax(1)
    assert computed == pytest.approx(
        {
            "loss": metrics.log_loss(targets, probabilities, sample_weight=weights[targets]),
            "accuracy": metrics.accuracy_score(targets, predicted),
            "balanced_accuracy": metrics.balanced_accuracy_score(targets, predicted),
            "auroc": metrics.roc_auc_score(targets, probabilities, multi_class="ovr"),
        },
        abs=1e-5,
    )


@pytest.mark.filterwarnings("ignore:No positive samples")
def test_a_class_without_images_is_excluded_from_the_means():
    logits = torch.tensor([[3.0, 0, 1], [0, 3, 1], [2, 1, 5], [1, 2, 0]])
    computed = epoch_metrics(logits, torch.tensor([0, 1, 0, 1]), torch.ones(3))
    assert computed["balanced_accuracy"] == pytest.approx(0.75)
    assert computed["auroc"] == pytest.approx(
        np.mean(
            [
                metrics.roc_auc_score(targets, logits.softmax(1)[:, number])
                for number, targets in enumerate(([1, 0, 1, 0], [0, 1, 0, 1]))
            ]
        )
    )


def test_auroc_of_one_class_is_undefined():
    assert np.isnan(epoch_metrics(torch.eye(2), torch.tensor([0, 0]), torch.ones(2))["auroc"])
