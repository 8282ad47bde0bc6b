import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from cxr.commands.export import export_onnx, run_onnx
from cxr.models.classifier import Classifier
from cxr.models.info import ModelInfo
from cxr.pipeline.errors import UserError
from tests.helpers.closure import ROOT

INFO = ModelInfo("simple_cnn", "simple_cnn", ["a", "b", "c"], 64, 0.4, 0.2, temperature=1.7)
PIXELS = np.random.default_rng(1).integers(0, 256, (7, 64, 64), np.uint8)


def random_classifier(timm: str = "simple_cnn") -> Classifier:
    """A network with random weights, whose logits differ between images."""
    torch.manual_seed(0)
    classifier = Classifier.build(replace(INFO, architecture=timm, timm=timm))
    nn.init.normal_(classifier.network.get_classifier().weight, std=1.0)
    return classifier


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Classifier, str]:
    """What the command writes and says."""
    folder = tmp_path_factory.mktemp("export")
    classifier = random_classifier()
    classifier.save(folder / "model")
    result = run(folder / "model", folder / "x.onnx")
    assert result.returncode == 0, result.stderr
    return folder / "x.onnx", classifier, result.stdout


def run(model: Path, file: Path) -> "subprocess.CompletedProcess[str]":
    words = ["--model", str(model), "--onnx", str(file)]
    return subprocess.run(
        [sys.executable, "-m", "cxr", "export", *words], cwd=ROOT, capture_output=True, text=True
    )


def test_it_gives_what_the_network_gives_for_any_number_of_images(
    exported: tuple[Path, Classifier, str],
) -> None:
    path, classifier, said = exported
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    logits, probs = session.run(["logits", "probabilities"], {"images": PIXELS})
    wanted = classifier.logits(PIXELS)
    assert np.ptp(wanted) > 0.1
    assert logits == pytest.approx(wanted, abs=1e-4)
    assert probs == pytest.approx(classifier.probs(PIXELS), abs=1e-4)
    assert "from PyTorch" in said


def test_a_flip_at_test_time_is_part_of_the_file(tmp_path: Path) -> None:
    classifier = random_classifier()
    classifier.info = replace(INFO, test_time_flip=True)
    export_onnx(classifier, tmp_path / "x.onnx")
    logits, mirrored = (
        run_onnx(tmp_path / "x.onnx", pixels)[0] for pixels in (PIXELS, PIXELS[:, :, ::-1].copy())
    )
    assert logits == pytest.approx(classifier.logits(PIXELS), abs=1e-4)
    assert logits == pytest.approx(mirrored, abs=1e-4)


@pytest.mark.parametrize("timm", ["resnet18", "efficientnet_b0", "mobilenetv3_large_100"])
def test_other_networks_are_compared_with_pytorch_before_they_are_written(
    timm: str, tmp_path: Path
) -> None:
    assert export_onnx(random_classifier(timm), tmp_path / "x.onnx") < 1e-4
    assert (tmp_path / "x.onnx").is_file()


def test_it_says_what_it_is_and_nothing_of_this_machine(
    exported: tuple[Path, Classifier, str],
) -> None:
    path, _, _ = exported
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    info = ModelInfo(**json.loads(about["model_info"]))
    assert replace(info, parameters=0) == INFO
    assert about["classes"] == "a, b, c"
    assert "uint8 (N, 64, 64)" in about["input"]
    assert str(ROOT).encode() not in path.read_bytes()
    assert b"site-packages" not in path.read_bytes()
    onnx.checker.check_model(onnx.load(path), full_check=True)


def test_a_network_that_computes_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cxr.commands.export.run_onnx", lambda path, images: [np.ones((3, 3), np.float32)] * 2
    )
    with pytest.raises(UserError, match="results of ONNX and PyTorch differ"):
        export_onnx(random_classifier(), tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_a_folder_without_a_model_is_one_line(tmp_path: Path) -> None:
    result = run(tmp_path, tmp_path / "x.onnx")
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
