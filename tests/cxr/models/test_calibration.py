import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from scipy.stats import gamma
from sklearn.metrics import log_loss

from cxr.metrics.operating_point import threshold_for_sensitivity
from cxr.models.calibration import calibrate, fit_temperature, scaled_softmax
from cxr.models.info import ModelInfo


def drawn(images, temperature, classes=4, seed=0):
    """Logits, and labels drawn with the probabilities that they have at a temperature."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, (images, classes))
    probs = softmax(logits / temperature, axis=1)
    labels = (probs.cumsum(1) > random.random((images, 1))).argmax(1)
    return logits.astype(np.float32), labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_labels_were_drawn_with_is_found(temperature):
    assert fit_temperature(*drawn(20_000, temperature)) == pytest.approx(temperature, rel=0.04)


def test_of_many_images_it_is_that_of_the_least_likelihood():
    logits, labels = drawn(20_000, 1.7)
    inverse = torch.ones(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([inverse], line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        value = torch.nn.functional.cross_entropy(
            torch.from_numpy(logits).double() * inverse, torch.from_numpy(labels)
        )
        value.backward()
        return value

    for _ in range(5):
        optimizer.step(loss)
    assert fit_temperature(logits, labels) == pytest.approx(1 / inverse.item(), rel=4e-3)


@pytest.mark.parametrize("images", [3, 30])
def test_of_few_images_it_is_the_most_probable_by_bayes(images):
    logits, labels = drawn(images, 1.0)
    grid = np.exp(np.linspace(-3, 3, 6001))
    log_probs = log_softmax(logits.astype(float) / grid[:, None, None], axis=2)
    posterior = log_probs[:, range(images), labels].sum(1) + gamma(2).logpdf(1 / grid)
    assert fit_temperature(logits, labels) == pytest.approx(grid[np.argmax(posterior)], rel=4e-3)


@pytest.mark.parametrize("seed", range(20))
def test_the_images_it_is_fitted_on_never_become_less_likely(seed):
    logits, labels = drawn(16, [0.3, 1.0, 4.0][seed % 3], seed=seed)
    temperature = fit_temperature(logits, labels)
    before, after = (log_loss(labels, scaled_softmax(logits, t), labels=range(4))
                     for t in (1.0, temperature))  # fmt: skip
    assert after <= before + 1e-9


def test_images_that_are_all_told_right_do_not_make_it_certain():
    def probs(images):
        labels = np.arange(images) % 3
        logits = (np.eye(3)[labels] * 2).astype(np.float32)
        return scaled_softmax(logits, fit_temperature(logits, labels)).max()

    assert 0.8 < probs(3) < probs(12) < probs(300) < 0.9999


def test_calibration_adds_temperature_and_validation_probabilities():
    logits, labels = drawn(200, 2.0, classes=3)
    labels[labels == 2] = 0
    info = calibrate(ModelInfo("x", "x", ["a", "b", "unseen"], 32, 0.5, 0.2), logits, labels)
    assert info.temperature == pytest.approx(fit_temperature(logits, labels), abs=1e-6)
    assert info.validation_probs["unseen"] == []
    probs = softmax(logits.astype(float) / info.temperature, axis=1)
    for index, name in enumerate(("a", "b")):
        members = probs[labels == index, index]
        assert info.validation_probs[name] == pytest.approx(sorted(members), abs=1e-6)
        # Rounded down: no image falls below a threshold at its own probability.
        threshold = threshold_for_sensitivity(info.validation_probs[name], 0.9)
        assert (members < threshold).sum() == int((len(members) + 1) * 0.1 + 1e-9) - 1 > 0
