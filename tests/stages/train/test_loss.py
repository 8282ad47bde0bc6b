import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from stages.train.loss import class_weights, focal_loss, mixup

torch.set_num_threads(1)


def test_class_weights_count_each_class_the_same():
    labels = torch.tensor([0] * 6 + [1] * 3 + [2]).numpy()
    weights = class_weights(labels, 3, "weights")
    assert (weights * torch.tensor([6, 3, 1])).tolist() == pytest.approx([10 / 3] * 3)
    assert class_weights(labels, 3, "none").tolist() == [1, 1, 1]
    assert class_weights(labels, 3, "sampling").tolist() == [1, 1, 1]


def test_focal_loss_is_that_of_the_paper():
    random = np.random.default_rng(0)
    logits, labels = random.normal(size=(20, 3)), random.integers(0, 3, 20)
    odds = np.exp(logits)
    p = (odds / odds.sum(1, keepdims=True))[range(20), labels]
    loss = focal_loss(torch.tensor(logits), torch.tensor(labels), gamma=2.0)
    assert loss.item() == pytest.approx(np.mean(-((1 - p) ** 2) * np.log(p)))


def test_focal_loss_of_a_certain_prediction_has_a_gradient():
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
    focal_loss(logits, torch.tensor([0]), gamma=1.0).backward()
    assert logits.grad.tolist() == [[0, 0]]


def test_mixup_blends_as_torchvisions_does(monkeypatch):
    images, labels = torch.rand(5, 1, 8, 8), torch.tensor([0, 1, 2, 1, 0])
    blended, others, share = mixup(images, labels, 0.4, [1, 2, 3])
    reference = v2.MixUp(alpha=0.4, num_classes=3)
    monkeypatch.setattr(
        reference, "_dist", torch.distributions.Beta(1e9 * share, 1e9 * (1 - share))
    )
    expected, targets = reference(images, labels)
    assert torch.allclose(blended, expected, atol=1e-3)
    one_hot = torch.nn.functional.one_hot
    assert torch.allclose(
        share * one_hot(labels, 3) + (1 - share) * one_hot(others, 3), targets, atol=1e-3
    )


def test_the_share_of_mixup_depends_on_what_it_is_drawn_for():
    images, labels = torch.rand(2, 1, 2, 2), torch.tensor([0, 1])
    shares = [mixup(images, labels, 1.0, [0, 0, 0, step])[2].item() for step in range(500)]
    # Of Beta(1, 1), the larger weight is uniform between a half and one.
    assert np.mean(shares) == pytest.approx(0.75, abs=0.02)
    assert min(shares) >= 0.5
    assert shares[3] == mixup(images, labels, 1.0, [0, 0, 0, 3])[2].item()
