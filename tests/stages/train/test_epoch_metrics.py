import numpy as np
import pytest
import torch
from sklearn import metrics

from stages.train.epoch_metrics import epoch_metrics


def test_agrees_with_scikit_learn():
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 200)
    logits = random.normal(size=(200, 4)) + 1.2 * np.eye(4)[labels]
    weights = np.array([1.0, 2.0, 0.5, 3.0])
    found = epoch_metrics(
        torch.tensor(logits).float(), torch.tensor(labels), torch.tensor(weights).float()
    )
    odds = np.exp(logits)
    probabilities = odds / odds.sum(1, keepdims=True)
    called = logits.argmax(1)
    assert found == pytest.approx(
        {
            "loss": metrics.log_loss(labels, probabilities, sample_weight=weights[labels]),
            "accuracy": metrics.accuracy_score(labels, called),
            "balanced_accuracy": metrics.balanced_accuracy_score(labels, called),
            "auroc": metrics.roc_auc_score(labels, probabilities, multi_class="ovr"),
        },
        abs=1e-5,
    )


@pytest.mark.filterwarnings("ignore:No positive samples")
def test_a_class_that_is_not_there_counts_for_nothing():
    logits = torch.tensor([[3.0, 0, 1], [0, 3, 1], [2, 1, 5], [1, 2, 0]])
    found = epoch_metrics(logits, torch.tensor([0, 1, 0, 1]), torch.ones(3))
    assert found["balanced_accuracy"] == pytest.approx(0.75)
    assert found["auroc"] == pytest.approx(
        np.mean(
            [
                metrics.roc_auc_score(labels, logits.softmax(1)[:, number])
                for number, labels in enumerate(([1, 0, 1, 0], [0, 1, 0, 1]))
            ]
        )
    )


def test_auroc_of_one_class_is_no_number():
    assert np.isnan(epoch_metrics(torch.eye(2), torch.tensor([0, 0]), torch.ones(2))["auroc"])
