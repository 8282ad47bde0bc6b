import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn import metrics

from stages import models, tables
from stages.command import UserError
from stages.evaluate.__main__ import main
from tests.builders import CLASSES, prepared
from tests.fitted import fit


def evaluate(inputs, outputs, monkeypatch):
    files = {
        "params": Path(__file__).parents[2] / "params.yaml",
        **{name: inputs / file for name, file in INPUTS.items()},
        **{name: outputs / file for name, file in OUTPUTS.items()},
    }
    options = [text for name, file in files.items() for text in (f"--{name}", str(file))]
    monkeypatch.setattr(sys, "argv", ["evaluate", *options])
    main()
    return outputs


INPUTS = {"model": "model", "pixels": "pixels.npy", "split": "split.csv"}
OUTPUTS = {"predictions": "predictions.csv", "metrics": "test.json", "plots": "plots"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = prepared(tmp_path_factory.mktemp("inputs"), images=120)
    # Enough noise for mistakes.
    pixels = np.load(folder / "pixels.npy")
    noise = np.random.default_rng(0).normal(0, 120, pixels.shape)
    np.save(folder / "pixels.npy", (pixels + noise).clip(0, 255).astype(np.uint8))
    return fit(folder, steps=20, temperature=1.7)


@pytest.fixture(scope="module")
def outputs(inputs, tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        return evaluate(inputs, tmp_path_factory.mktemp("outputs"), monkeypatch)


def test_predictions_are_calibrated_and_of_validation_and_test(inputs, outputs):
    table = tables.read(outputs / "predictions.csv", tables.Predictions)
    split = tables.read(inputs / "split.csv", tables.Split)
    expected = split[split["split"].isin(["val", "test"])]
    assert table["image"].tolist() == expected["image"].tolist()
    network, card = models.load(inputs / "model")
    logits = models.logits(
        network, card, np.load(inputs / "pixels.npy"), expected["row"].to_numpy()
    )
    ours = table[[f"p_{name}" for name in CLASSES]].to_numpy()
    assert ours == pytest.approx(softmax(logits / 1.7, axis=1), abs=1e-5)


def test_every_score_can_be_computed_again_from_the_predictions(outputs):
    scores = json.loads((outputs / "test.json").read_text())
    table = tables.read(outputs / "predictions.csv", tables.Predictions)
    test = table[table["split"] == "test"]
    belief = test[[f"p_{name}" for name in CLASSES]].to_numpy()
    predicted = np.array(CLASSES)[belief.argmax(1)]
    assert scores["images"] == len(test) == 24
    assert scores["groups"] == 12
    expected = {
        "accuracy": metrics.accuracy_score(test["label"], predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(test["label"], predicted),
        "macro_f1": metrics.f1_score(test["label"], predicted, average="macro"),
        "auroc": metrics.roc_auc_score(
            test["label"], belief / belief.sum(1, keepdims=True), multi_class="ovr"
        ),
        "mcc": metrics.matthews_corrcoef(test["label"], predicted),
    }
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-5)
    assert scores["accuracy"] < 1
    for name, interval in scores["interval"].items():
        assert interval["low"] <= scores[name] <= interval["high"]
        assert interval["low"] < interval["high"]


def test_the_headline_comes_first_and_is_plain_numbers(outputs):
    scores = json.loads((outputs / "test.json").read_text())
    assert list(scores)[:4] == ["accuracy", "balanced_accuracy", "macro_f1", "auroc"]
    assert all(isinstance(scores[name], float) for name in list(scores)[:4])


def test_curves_and_confusion_matrix_agree_with_the_scores(outputs):
    scores = json.loads((outputs / "test.json").read_text())
    pairs = pd.read_csv(outputs / "plots" / "confusion.csv")
    assert (pairs["actual"] == pairs["predicted"]).mean() == pytest.approx(
        scores["accuracy"], abs=1e-5
    )
    for name in CLASSES:
        roc = pd.read_csv(outputs / "plots" / "roc" / f"{name}.csv")
        area = metrics.auc(roc["fpr"], roc["tpr"])
        assert area == pytest.approx(scores["class"][name]["auroc"], abs=1e-5)
        curve = pd.read_csv(outputs / "plots" / "precision_recall" / f"{name}.csv")
        assert curve["recall"].is_monotonic_increasing
    for picture in ("confusion", "roc", "precision_recall"):
        assert (outputs / "plots" / f"{picture}.png").stat().st_size > 5000


def test_again_gives_the_same_bytes(inputs, outputs, tmp_path, monkeypatch):
    again = evaluate(inputs, tmp_path, monkeypatch)
    files = sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert len(files) == 12
    for file in files:
        assert (again / file).read_bytes() == (outputs / file).read_bytes(), file


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("split", "train", "no test images"), ("label", "measles", "class 'measles' is not among")],
)
def test_a_split_that_the_network_cannot_be_measured_on_is_refused(
    inputs, tmp_path, monkeypatch, column, value, message
):
    for name in ("model", "pixels.npy"):
        (tmp_path / name).symlink_to(inputs / name)
    split = tables.read(inputs / "split.csv", tables.Split)
    tables.write(tmp_path / "split.csv", split.assign(**{column: value}), tables.Split)
    (tmp_path / "test.json").write_text("as it was")
    with pytest.raises(UserError, match=message):
        evaluate(tmp_path, tmp_path, monkeypatch)
    assert (tmp_path / "test.json").read_text() == "as it was"
    assert not (tmp_path / "predictions.csv").exists()
