"""Parts of the recipe against what they should compute, on one batch or a few."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from cxr.models.classifier import Classifier
from cxr.models.info import MODEL_FILE
from cxr.models.networks import build_network
from cxr.pipeline import tables
from stages.train.module import TrainingModule
from stages.train.seeding import seed_sequence
from tests.helpers.training import BATCH_FREE, OFF, contents, curve

torch.set_num_threads(1)

PLAIN = {
    # Some processors are faster in bf16, whose three digits are too few to compare steps.
    "precision": "fp32",
    "head": "pooled",
    "augment": OFF,
    "imbalance": "none",
    "optimizer": "sgd",
    "weight_decay": 0.0,
    "warmup_epochs": 0.0,
    "lr": 0.1,
    "architecture": {"drop_rate": 0.0},
}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / MODEL_FILE)


def beginning(folder: Path, inputs: Path) -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
    """The network as it began, and the first batch of 36: inputs and labels."""
    trained = Classifier.load(folder / "model")
    split = tables.read(inputs / "split.csv", tables.Split).query("split == 'train'")
    split = split.iloc[np.random.default_rng(seed_sequence("order", 0, 0)).permutation(36)]
    pixels = np.load(inputs / "pixels.npy")[split["row"]]
    torch.manual_seed(0)
    model = build_network("simple_cnn", 3, 0.0)
    labels = torch.tensor([trained.info.classes.index(label) for label in split["target"]])
    return model, trained.to_input(pixels), labels


def is_one_step(after: dict[str, torch.Tensor], model: torch.nn.Module, share: float) -> bool:
    """Whether weights are those after a step along a share of the network's gradient."""
    # The first step with momentum 0.9 after Nesterov is 1.9 times the gradient.
    differences = [
        (after[name] - (weight - 0.1 * 1.9 * share * weight.grad)).abs().max().item()
        for name, weight in model.named_parameters()
    ]
    return max(differences) < 1e-5


def test_a_long_gradient_is_shortened(train, small):
    folder = train(epochs=1, batch_size=36, gradient_clip=0.01, **PLAIN)
    model, inputs, labels = beginning(folder, small)
    cross_entropy(model(inputs), labels).backward()
    length = sum((parameter.grad**2).sum() for parameter in model.parameters()).sqrt().item()
    assert length > 0.1
    assert is_one_step(weights(folder), model, 0.01 / length)


def test_mixup_learns_blended_targets_from_blended_images(train, small):
    folder = train(epochs=1, batch_size=36, mixup_alpha=1.0, **PLAIN)
    model, inputs, labels = beginning(folder, small)
    # Of seed 0, epoch 0, process 0 and step 0.
    share = np.random.default_rng(seed_sequence("mixup", 0, 0, 0, 0)).beta(1.0, 1.0)
    share = max(share, 1 - share)
    targets = torch.nn.functional.one_hot(labels, 3).float()
    inputs, targets = (
        share * tensor + (1 - share) * tensor.roll(1, 0) for tensor in (inputs, targets)
    )
    cross_entropy(model(inputs), targets).backward()
    assert share < 0.99
    assert is_one_step(weights(folder), model, 1.0)


def test_accumulated_batches_count_as_one(train):
    plain = PLAIN | {"model": "batch_free", "architecture": BATCH_FREE}
    large = weights(train("large", batch_size=36, **plain))
    accumulated = weights(train("accumulated", batch_size=18, accumulate_grad_batches=2, **plain))
    small = weights(train("small", batch_size=18, **plain))
    assert all(torch.allclose(accumulated[name], large[name], atol=1e-6) for name in large)
    assert not all(torch.allclose(small[name], large[name], atol=1e-4) for name in large)


def test_the_moving_average_is_kept(train, monkeypatch):
    states = []
    step = TrainingModule.optimizer_step

    def optimizer_step(self, *args, **kwargs):
        step(self, *args, **kwargs)
        # Those that are averaged: a count of batches is not.
        state = self.model.state_dict().items()
        states.append(
            {name: tensor.clone() for name, tensor in state if tensor.is_floating_point()}
        )

    monkeypatch.setattr(TrainingModule, "optimizer_step", optimizer_step)
    slow = PLAIN | {"lr": 0.03}
    kept = weights(train(epochs=1, batch_size=4, ema_decay=0.7, **slow))
    expected = states[0]
    for number, state in enumerate(states[1:], start=1):
        decay = min(0.7, 1 - (1 + number) ** (-2 / 3))
        expected = {name: decay * expected[name] + (1 - decay) * state[name] for name in expected}
    assert len(states) == 9
    assert all(torch.allclose(kept[name], expected[name], atol=1e-6) for name in expected)
    assert not torch.allclose(kept["classifier.weight"], states[-1]["classifier.weight"])


@pytest.mark.parametrize(("freeze_epochs", "expected"), [(0, 3), (2, 4)])
def test_stops_when_nothing_gets_better(train, freeze_epochs, expected):
    # At such a rate, nothing changes.
    settings = {
        "patience": 2, "epochs": 6, "lr": 1e-12, "architecture": BATCH_FREE, "head": "pooled",
    }  # fmt: skip
    folder = train(model="batch_free", monitor="accuracy", freeze_epochs=freeze_epochs, **settings)
    assert len(curve(folder, "val/loss")) == expected


def test_a_run_that_had_stopped_early_does_not_go_on_after_a_kill(train, monkeypatch):
    settings = {
        "model": "batch_free", "lr": 1e-12, "architecture": BATCH_FREE, "head": "pooled",
        "patience": 1, "epochs": 6, "monitor": "accuracy",
    }  # fmt: skip
    expected = contents(train("whole", **settings))
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr("stages.train.__main__.write_curves", lambda *_: 1 / 0)
        train("killed", **settings)
    assert contents(train("again", **settings)) == expected


@pytest.mark.parametrize(
    "settings",
    [
        {
            "imbalance": "sampling",
            "ema_decay": 0.9,
            "accumulate_grad_batches": 2,
            "gradient_clip": 1.0,
        },
        {"imbalance": "focal", "mixup_alpha": 0.2, "layer_decay": 0.8, "freeze_epochs": 1},
    ],
)
def test_the_whole_recipe_repeats_to_the_bit_with_any_number_of_workers(train, settings):
    expected = contents(train("first", batch_size=6, **settings))
    assert contents(train("again", batch_size=6, workers=2, **settings)) == expected


def test_a_transformer_is_built_for_the_size_of_the_images(train):
    architecture = {"timm": "vit_tiny_patch16_224", "drop_rate": 0.0}
    folder = train(model="vit", architecture=architecture, epochs=1, head="pooled")
    classifier = Classifier.load(folder / "model")
    assert (classifier.info.timm, classifier.info.size) == ("vit_tiny_patch16_224", 32)
    assert classifier.network.pos_embed.shape == (1, 5, 192)
