import json
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn import metrics

from cxr.models.calibration import calibrate
from cxr.models.classifier import Classifier
from cxr.pipeline import tables
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import Augment
from stages.evaluate import training_plots
from stages.evaluate.__main__ import main
from stages.evaluate.training_plots import METRICS
from stages.train.augment import build_transform
from stages.train.augmentation_examples import write_examples
from stages.train.data import XrayDataset, train_and_val
from stages.train.history import History, write_curves
from tests.helpers.builders import CLASSES, prepared
from tests.helpers.closure import ROOT
from tests.helpers.fitted import fit
from tests.helpers.report_inputs import option
from tests.helpers.training import OFF


def evaluate(inputs, outputs, monkeypatch):
    files = {
        "params": ROOT / "params.yaml",
        **{name: inputs / file for name, file in INPUTS.items()},
        **{name: outputs / file for name, file in OUTPUTS.items()},
    }
    options = [text for name, file in files.items() for text in (option(name), str(file))]
    monkeypatch.setattr(sys, "argv", ["evaluate", *options])
    main()
    return outputs


INPUTS = {
    "model": "model",
    "epochs": "epochs.csv",
    "augmented": "augmented",
    "pixels": "pixels.npy",
    "masks": "masks.npy",
    "images": "images.csv",
    "split": "split.csv",
}
OUTPUTS = {
    "predictions": "predictions.csv",
    "metrics": "test.json",
    "audit": "audit.json",
    "details": "details.json",
    "audit_details": "audit_details.json",
    "curves": "curves",
    "projection": "projection.csv",
    "plots": "plots",
}


def described(folder):
    """Write images.csv beside split.csv: every third image is an AP view."""
    split = tables.read(folder / "split.csv", tables.Split)
    columns = list(tables.Images.to_schema().columns)
    facts = {
        **{name: "" for name in columns if name not in split},
        "view": ["AP" if row % 3 else "PA" for row in split["row"]],
        "status": "ok",
        "width": 32,
        "height": 32,
        "mode": "L",
        "format": "PNG",
    }
    images = split.assign(**facts)[columns]
    tables.write(folder / "images.csv", images, tables.Images)
    return folder


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = described(prepared(tmp_path_factory.mktemp("inputs"), images=120))
    # Enough noise for mistakes.
    pixels = np.load(folder / "pixels.npy")
    noise = np.random.default_rng(0).normal(0, 120, pixels.shape)
    np.save(folder / "pixels.npy", (pixels + noise).clip(0, 255).astype(np.uint8))
    return calibrated(fit(with_records(folder), steps=20))


def with_records(folder):
    """What training writes for pictures beside the model."""
    history = History(max_epochs=3, monitor="loss")
    for epoch in (2, 0, 1):
        values = {f"{side}/{name}": 0.1 * epoch for side in ("train", "val") for name in METRICS}
        history.append(values, images=1, seconds=1)
    write_curves(folder / "epochs.csv", history)
    split, _, classes = train_and_val(tables.read(folder / "split.csv", tables.Split))
    mirrored = build_transform(Augment(**{**OFF, "horizontal_flip": 1.0}))
    examples = XrayDataset(folder / "pixels.npy", split, 0, mirrored)
    write_examples(folder / "augmented", examples, classes)
    return folder


def calibrated(folder):
    """As training leaves the model: with what validation gives."""
    classifier = Classifier.load(folder / "model")
    split = tables.read(folder / "split.csv", tables.Split)
    validation = split[split["split"] == "val"]
    logits = classifier.logits(np.load(folder / "pixels.npy"), validation["row"].to_numpy())
    labels = np.array([classifier.info.classes.index(label) for label in validation["target"]])
    classifier.info = calibrate(classifier.info, logits, labels)
    classifier.save(folder / "model")
    return folder


@pytest.fixture(scope="module")
def outputs(inputs, tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        return evaluate(inputs, tmp_path_factory.mktemp("outputs"), monkeypatch)


def test_predictions_are_calibrated_and_of_validation_and_test(inputs, outputs):
    table = tables.read(outputs / "predictions.csv", tables.Predictions)
    split = tables.read(inputs / "split.csv", tables.Split)
    expected = split[split["split"].isin(["val", "test"])]
    assert table["image"].tolist() == expected["image"].tolist()
    classifier = Classifier.load(inputs / "model")
    logits = classifier.logits(np.load(inputs / "pixels.npy"), expected["row"].to_numpy())
    temperature = classifier.info.temperature
    assert temperature != 1
    ours = table[[f"p_{name}" for name in CLASSES]].to_numpy()
    assert ours == pytest.approx(softmax(logits / temperature, axis=1), abs=1e-5)


def test_every_score_can_be_computed_again_from_the_predictions(outputs):
    scores = json.loads((outputs / "details.json").read_text())
    table = tables.read(outputs / "predictions.csv", tables.Predictions)
    test = table[table["split"] == "test"]
    probs = test[[f"p_{name}" for name in CLASSES]].to_numpy()
    predicted = np.array(CLASSES)[probs.argmax(1)]
    assert scores["images"] == len(test) == 24
    assert scores["groups"] == 12
    expected = {
        "accuracy": metrics.accuracy_score(test["target"], predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(test["target"], predicted),
        "macro_f1": metrics.f1_score(test["target"], predicted, average="macro"),
        "auroc": metrics.roc_auc_score(
            test["target"], probs / probs.sum(1, keepdims=True), multi_class="ovr"
        ),
        "average_precision": metrics.average_precision_score(
            pd.get_dummies(test["target"]).to_numpy(), probs
        ),
        "mcc": metrics.matthews_corrcoef(test["target"], predicted),
        "brier": metrics.brier_score_loss(
            test["target"], probs, labels=sorted(CLASSES), scale_by_half=False
        ),
    }
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-5)
    assert scores["accuracy"] < 1
    for name, interval in scores["interval"].items():
        assert interval["low"] <= scores[name] <= interval["high"]
        assert interval["low"] < interval["high"]


def test_the_headline_is_flat_numbers_from_the_details(outputs):
    details, audit = (
        json.loads((outputs / f"{name}.json").read_text()) for name in ("details", "audit_details")
    )
    interval = details["interval"]["balanced_accuracy"]
    names = ("macro_f1", "auroc", "average_precision", "mcc", "brier", "ece")
    assert json.loads((outputs / "test.json").read_text()) == {
        **{name: details[name] for name in ("accuracy", "balanced_accuracy", *names)},
        "balanced_accuracy_low": interval["low"],
        "balanced_accuracy_high": interval["high"],
        **{name: details["operating_point"][name] for name in ("sensitivity", "specificity")},
    }
    probes = ("file", "thumbnail", "border")
    assert json.loads((outputs / "audit.json").read_text()) == {
        "suspicious": audit["suspicious"],
        "network_gain": min(audit[probe]["network_gain"] for probe in probes),
    }


def test_curves_and_confusion_matrix_agree_with_the_scores(outputs):
    scores = json.loads((outputs / "details.json").read_text())
    by_class = scores["class"]
    pairs = pd.read_csv(outputs / "curves" / "confusion.csv")
    assert (pairs["actual"] == pairs["predicted"]).mean() == pytest.approx(
        scores["accuracy"], abs=1e-5
    )
    for name in CLASSES:
        roc = pd.read_csv(outputs / "curves" / "roc" / f"{name}.csv")
        area = metrics.auc(roc["fpr"], roc["tpr"])
        assert area == pytest.approx(by_class[name]["auroc"], abs=1e-5)
        curve = pd.read_csv(outputs / "curves" / "precision_recall" / f"{name}.csv")
        assert curve["recall"].is_monotonic_increasing
    for picture in (
        *("confusion", "roc", "precision_recall", "reliability", "operating_point", "audit"),
        *("projection", "mistakes"),
    ):
        assert (outputs / "plots" / f"{picture}.png").stat().st_size > 5000
    test = tables.read(outputs / "predictions.csv", tables.Predictions).query("split == 'test'")
    points = pd.read_csv(outputs / "projection.csv")
    assert sorted(points["image"]) == sorted(test["image"])


def test_the_operating_point_can_be_computed_again_from_the_predictions(outputs):
    point = json.loads((outputs / "details.json").read_text())["operating_point"]
    table = tables.read(outputs / "predictions.csv", tables.Predictions)
    validation, test = (table[table["split"] == side] for side in ("val", "test"))
    _, found, cuts = metrics.roc_curve(
        validation["target"] == "COVID", validation["p_COVID"], drop_intermediate=False
    )
    assert point["positive_class"] == "COVID"
    assert point["validation_images"] == (validation["target"] == "COVID").sum()
    assert point["threshold"] == pytest.approx(cuts[found >= 0.95].max(), abs=2e-6)
    called, positive = test["p_COVID"] >= point["threshold"], test["target"] == "COVID"
    assert point["sensitivity"] == pytest.approx(called[positive].mean(), abs=1e-6)
    assert point["specificity"] == pytest.approx((~called[~positive]).mean(), abs=1e-6)
    for name, interval in point["interval"].items():
        assert interval["low"] <= point[name] <= interval["high"]


def test_subgroups_are_the_scores_of_their_images(outputs, inputs):
    found = json.loads((outputs / "details.json").read_text())["subgroup"]
    # Sex, age and published split are the same for all.
    assert list(found) == ["source", "view"]
    table = tables.read(outputs / "predictions.csv", tables.Predictions)
    table = table.merge(tables.read(inputs / "images.csv", tables.Images)[["image", "view"]])
    for view, scores in found["view"].items():
        part = table[(table["split"] == "test") & (table["view"] == view)]
        predicted = part[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(1)
        assert scores["images"] == len(part)
        assert scores["accuracy"] == pytest.approx(
            (np.array(CLASSES)[predicted] == part["target"]).mean(), abs=1e-6
        )


def test_a_data_set_without_masks_or_positive_class_is_measured_all_the_same(
    inputs, outputs, tmp_path, monkeypatch, capsys
):
    for name in ("pixels.npy", "images.csv", "split.csv", "epochs.csv", "augmented"):
        (tmp_path / name).symlink_to(inputs / name)
    np.save(tmp_path / "masks.npy", np.zeros((0, 32, 32), np.uint8))
    classifier = Classifier.load(inputs / "model")
    classifier.info = replace(classifier.info, validation_probs={"COVID": []})
    classifier.save(tmp_path / "model")
    evaluate(tmp_path, tmp_path, monkeypatch)
    assert json.loads((tmp_path / "details.json").read_text())["operating_point"] is None
    headline = json.loads((tmp_path / "test.json").read_text())
    # The same keys, so that `dvc metrics diff` has a row for each.
    assert list(headline) == list(json.loads((outputs / "test.json").read_text()))
    assert headline["sensitivity"] is headline["specificity"] is None
    assert "no operating point: none of evaluate.positive_class" in capsys.readouterr().out
    audit = json.loads((tmp_path / "audit_details.json").read_text())
    assert audit["lungs_only"]["images"] == 0
    assert not audit["lungs_only"]["suspicious"]


def test_again_gives_the_same_bytes(inputs, outputs, tmp_path, monkeypatch):
    again = evaluate(inputs, tmp_path, monkeypatch)
    files = sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert len(files) == 25
    for file in files:
        assert (again / file).read_bytes() == (outputs / file).read_bytes(), file


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("split", "train", "no test images"), ("target", "measles", "class 'measles' is not among")],
)
def test_a_split_that_the_network_cannot_be_measured_on_is_refused(
    inputs, tmp_path, monkeypatch, column, value, message
):
    for name in ("model", "pixels.npy", "masks.npy", "images.csv"):
        (tmp_path / name).symlink_to(inputs / name)
    split = tables.read(inputs / "split.csv", tables.Split)
    tables.write(tmp_path / "split.csv", split.assign(**{column: value}), tables.Split)
    (tmp_path / "test.json").write_text("as it was")
    with pytest.raises(UserError, match=message):
        evaluate(tmp_path, tmp_path, monkeypatch)
    assert (tmp_path / "test.json").read_text() == "as it was"
    assert not (tmp_path / "predictions.csv").exists()


def test_training_is_drawn_from_what_it_left(inputs, outputs, tmp_path):
    for name in ("learning_curves", "augmented"):
        assert (outputs / "plots" / f"{name}.png").stat().st_size > 10_000
    pixels = np.load(inputs / "pixels.npy")
    for name in CLASSES:
        grid = training_plots.split_grid(inputs / "augmented" / f"{name}.png", 32)
        # Two of each of three classes, in three epochs.
        assert grid.shape == (4, 2, 32, 32)
        assert all((pixels == image).all((1, 2)).any() for image in grid[0])
        assert (grid[1:] == grid[0][..., ::-1]).all()
    epochs = pd.read_csv(inputs / "epochs.csv")
    assert epochs["best"].tolist() == [0, 1, 0]
    nowhere = tmp_path / "epochs.csv"
    with pytest.raises(UserError, match=r"epochs.csv is missing: `dvc repro`"):
        training_plots.draw_training(tmp_path, nowhere, inputs / "augmented", list(CLASSES), 32)
