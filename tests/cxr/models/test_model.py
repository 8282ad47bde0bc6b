from pathlib import Path

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from cxr.models import model as models
from cxr.models.model import Card
from cxr.pipeline.cli import UserError

torch.set_num_threads(1)

ARCHITECTURES = YAML(typ="safe").load(Path("params.yaml"))["architectures"]
CLASSES = ["COVID", "Lung_Opacity", "Normal", "Viral Pneumonia"]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_architecture_learns_a_step_and_comes_back_the_same(name, tmp_path):
    torch.manual_seed(0)
    timm_name = ARCHITECTURES[name]["timm"]
    card = Card(name, timm_name, CLASSES, 32, 0.5, 0.25, thresholds={"COVID": [0.3, 0.9]})
    model = models.build(timm_name, 4, drop_rate=0.1)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32), dtype=np.uint8)

    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    first = model.get_classifier().weight.clone()
    outputs = model.train()(models.to_input(pixels, card, torch.device("cpu")))
    torch.nn.functional.cross_entropy(outputs, torch.arange(4)).backward()
    optimizer.step()
    assert outputs.shape == (4, 4)
    assert not torch.equal(model.get_classifier().weight, first)
    assert all(parameter.grad is not None for parameter in model.parameters())

    models.save(model, card, tmp_path)
    loaded, card_again = models.load(tmp_path)
    rows = np.array([2, 0, 3])
    expected = models.logits(model, card, pixels, rows)
    assert card_again == card
    assert np.array_equal(models.logits(loaded, card, pixels, rows), expected)

    # What evaluate asks for: the last layer makes the one of the other.
    logits, features = models.logits_and_features(loaded, card, pixels, rows)
    assert np.array_equal(logits, expected)
    again = loaded.get_classifier()(torch.from_numpy(features)).detach().numpy()
    assert np.allclose(again, expected, atol=1e-5)
    assert expected.dtype == np.float32


def test_one_file_describes_itself_and_is_the_same_again(tmp_path):
    torch.manual_seed(0)
    model = models.build("simple_cnn", 2)
    card = Card("simple_cnn", "simple_cnn", ["a", "b"], 32, 0.5, 0.25)
    for folder in ("one", "two"):
        models.save(model, card, tmp_path / folder)
    one, two = (tmp_path / folder / models.FILE for folder in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_logits_do_not_depend_on_the_batch_size():
    torch.manual_seed(0)
    model = models.build("simple_cnn", 2)
    card = Card("simple_cnn", "simple_cnn", ["a", "b"], 32, 0.5, 0.25)
    pixels = np.random.default_rng(0).integers(0, 256, (7, 32, 32), dtype=np.uint8)
    rows = np.arange(7)
    expected = models.logits(model, card, pixels, rows)
    assert np.allclose(models.logits(model, card, pixels, rows, batch_size=3), expected, atol=1e-6)
    assert models.logits(model, card, pixels, rows[:0]).shape == (0, 2)


def test_input_is_grey_normalised_and_channels_last():
    card = Card("", "", [], 2, mean=0.5, std=0.25)
    pixels = np.array([[[0, 255], [51, 102]]], np.uint8)
    images = models.to_input(pixels, card, torch.device("cpu"))
    assert images.shape == (1, 1, 2, 2)
    assert images.flatten().tolist() == pytest.approx([-2, 2, -1.2, -0.4])
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_an_unknown_network_names_the_nearest():
    with pytest.raises(UserError, match=r"timm has no model 'resnet19'.*did you mean 'resnet18'"):
        models.build("resnet19", 2)


@pytest.mark.parametrize("content", [None, b"", b"no model"])
def test_a_folder_without_a_model_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / models.FILE).write_bytes(content)
    with pytest.raises(UserError, match="is no model of this project"):
        models.load(tmp_path)
