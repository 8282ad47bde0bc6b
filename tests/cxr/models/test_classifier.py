from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from scipy.special import softmax

from cxr.models.classifier import Classifier
from cxr.models.info import MODEL_FILE, ModelInfo
from cxr.models.networks import build_network
from cxr.pipeline.errors import UserError
from tests.helpers.rounding import SIMPLE_CNN, rounding

torch.set_num_threads(1)

ARCHITECTURES = YAML(typ="safe").load(Path("params.yaml"))["architectures"]
CLASSES = ["COVID", "Lung_Opacity", "Normal", "Viral Pneumonia"]


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32), dtype=np.uint8)


def small_classifier(**info) -> Classifier:
    torch.manual_seed(0)
    return Classifier.build(
        ModelInfo("simple_cnn", "simple_cnn", ["a", "b"], 32, 0.5, 0.25, **info)
    )


@pytest.mark.parametrize("head", ["pooled", "pyramid"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_architecture_takes_a_training_step_and_is_loaded_unchanged(name, head, tmp_path):
    torch.manual_seed(0)
    info = ModelInfo(
        *(name, ARCHITECTURES[name]["timm"], CLASSES, 32, 0.5, 0.25, head),
        validation_probs={"COVID": [0.3, 0.9]},
    )
    classifier = Classifier.build(info, drop_rate=0.1)
    network, pixels = classifier.network, images(4)

    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    initial = network.get_classifier().weight.clone()
    outputs = network.train()(classifier.to_input(pixels))
    torch.nn.functional.cross_entropy(outputs, torch.arange(4)).backward()
    optimizer.step()
    assert outputs.shape == (4, 4)
    assert not torch.equal(network.get_classifier().weight, initial)
    assert all(parameter.grad is not None for parameter in network.parameters())

    classifier.save(tmp_path)
    loaded = Classifier.load(tmp_path)
    rows = np.array([2, 0, 3])
    expected = classifier.logits(pixels, rows)
    assert expected.dtype == np.float32
    assert replace(loaded.info, parameters=0) == info
    assert loaded.info.parameters == sum(weights.numel() for weights in loaded.network.parameters())
    assert np.array_equal(loaded.logits(pixels, rows), expected)

    # For evaluate: the last layer turns the features into the logits.
    logits, features = loaded.logits_and_features(pixels, rows)
    assert np.array_equal(logits, expected)
    if head == "pyramid":
        # There it does so for each cell; the features are the mean over the cells.
        assert features.shape == (3, 128)
        return
    recomputed = loaded.network.get_classifier()(torch.from_numpy(features)).detach().numpy()
    assert np.allclose(recomputed, expected, atol=1e-5)


def test_saving_twice_gives_the_same_bytes(tmp_path):
    for folder in ("first", "second"):
        small_classifier().save(tmp_path / folder)
    first, second = (tmp_path / folder / MODEL_FILE for folder in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_logits_do_not_depend_on_the_batch_size():
    classifier, pixels = small_classifier(), images(7)
    expected = classifier.logits(pixels)
    in_threes = classifier.logits(pixels, batch_size=3)
    assert in_threes == pytest.approx(
        expected, abs=rounding(SIMPLE_CNN, float(np.abs(expected).max()))
    )
    assert classifier.logits(pixels[:0]).shape == (0, 2)


@pytest.mark.parametrize("head", ["pooled", "pyramid"])
def test_with_a_flip_at_test_time_an_image_and_its_mirror_image_are_predicted_alike(head):
    plain, flipped = (
        small_classifier(head=head, test_time_flip=flip, temperature=2.5) for flip in (False, True)
    )
    pixels = images(70)  # More than a batch.
    torch.nn.init.normal_(plain.network.get_classifier().weight)
    flipped.network = plain.network
    of_images, of_mirror_images = plain.logits(pixels), plain.logits(pixels[:, :, ::-1])
    assert np.abs(of_images - of_mirror_images).max() > 0.01
    assert flipped.logits(pixels) == pytest.approx((of_images + of_mirror_images) / 2, abs=1e-5)
    assert flipped.probs(pixels) == pytest.approx(flipped.probs(pixels[:, :, ::-1]), abs=1e-5)
    logits, features = flipped.logits_and_features(pixels)
    assert np.array_equal(logits, flipped.logits(pixels))
    expected = [plain.logits_and_features(each)[1] for each in (pixels, pixels[:, :, ::-1])]
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    assert features == pytest.approx(np.mean(expected, axis=0), abs=1e-5)


def test_probabilities_are_calibrated():
    classifier, pixels = small_classifier(temperature=2.5), images(7)
    expected = softmax(classifier.logits(pixels) / 2.5, axis=1)
    assert classifier.probs(pixels) == pytest.approx(expected, abs=1e-6)


def test_input_is_grey_normalized_and_channels_last():
    pixels = np.array([[[0, 255], [51, 102]]], np.uint8)
    inputs = small_classifier().to_input(pixels)
    assert inputs.shape == (1, 1, 2, 2)
    assert inputs.flatten().tolist() == pytest.approx([-2, 2, -1.2, -0.4])
    assert inputs.is_contiguous(memory_format=torch.channels_last)


def test_an_unknown_network_gets_a_suggestion():
    with pytest.raises(UserError, match=r"timm has no model 'resnet19'.*did you mean 'resnet18'"):
        build_network("resnet19", 2)


@pytest.mark.parametrize("content", [b"", b"no model"])
def test_a_file_that_is_no_model_is_refused(tmp_path, content):
    (tmp_path / MODEL_FILE).write_bytes(content)
    with pytest.raises(UserError, match="is not a model of this project"):
        Classifier.load(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"there is no model in .*: train one with `dvc repro`"):
        Classifier.load(tmp_path)
