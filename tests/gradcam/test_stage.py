import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages import models, tables
from stages.command import UserError
from stages.gradcam.__main__ import main, predicted_images, targets
from tests.builders import prepared
from tests.fitted import fit

CLASSES = ("COVID", "Normal", "bacterial/viral")
INPUTS = {
    "model": "model",
    "predictions": "predictions.csv",
    "split": "split.csv",
    "pixels": "pixels.npy",
    "masks": "masks.npy",
}


def gradcam(inputs, outputs, monkeypatch, per_class=1):
    params = (Path(__file__).parents[2] / "params.yaml").read_text()
    (outputs / "params.yaml").write_text(params.replace("per_class: 4", f"per_class: {per_class}"))
    files = {
        "params": outputs / "params.yaml",
        **{name: inputs / file for name, file in INPUTS.items()},
        "metrics": outputs / "gradcam.json",
        "plots": outputs / "plots",
    }
    options = [text for name, file in files.items() for text in (f"--{name}", str(file))]
    monkeypatch.setattr(sys, "argv", ["gradcam", *options])
    main()
    return outputs


def predictions(folder):
    """Predictions of all images but the training ones: all right, except one in three COVID."""
    split = tables.read(folder / "split.csv", tables.Split)
    table = split[split["split"] != "train"].reset_index(drop=True)
    belief = np.array([np.where(np.array(CLASSES) == label, 0.8, 0.1) for label in table["label"]])
    missed = (table["label"] == "COVID") & (table.index % 3 == 0)
    belief[missed] = [0.25, 0.6, 0.15]
    columns = {f"p_{name}": belief[:, number] for number, name in enumerate(CLASSES)}
    return table[["image", "label", "split"]].assign(**columns)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = fit(prepared(tmp_path_factory.mktemp("inputs"), 60, 64, CLASSES), steps=24)
    tables.write(folder / "predictions.csv", predictions(folder), tables.Predictions)
    return folder


@pytest.fixture(scope="module")
def outputs(inputs, tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        return gradcam(inputs, tmp_path_factory.mktemp("outputs"), monkeypatch, per_class=2)


def test_pictures_are_named_by_class_and_slot(outputs):
    names = {path.name for path in (outputs / "plots").iterdir()}
    slots = [f"{name}-{slot}.png" for name in ("COVID", "Normal", "bacterial%2Fviral")
             for slot in (1, 2)]  # fmt: skip
    assert names == {*slots, "overview.png"}
    for name in slots:
        assert reddened(outputs / "plots" / name) > 0.05, name


def reddened(picture):
    """Share of red in the overlay, the middle of the picture's right half."""
    colours = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    height, width, _ = colours.shape
    overlay = colours[height // 4 : -height // 8, width * 50 // 100 : width * 80 // 100]
    return (overlay[..., 0] - overlay[..., 2] > 60).mean()


def test_what_is_explained_is_the_predicted_class(inputs):
    images = predicted_images(
        tables.read(inputs / "predictions.csv", tables.Predictions),
        tables.read(inputs / "split.csv", tables.Split),
        list(CLASSES),
    )
    missed = images[~images["correct"]]
    assert len(images) == 12
    assert set(missed["label"]) == {"COVID"}
    assert set(missed["p_label"]) == {0.25}
    assert set(missed["p_predicted"]) == {0.6}
    rows, classes = targets(missed, list(CLASSES))
    assert rows.tolist() == missed["row"].tolist()
    assert set(classes.tolist()) == {CLASSES.index("Normal")}


def test_metrics_name_layer_and_method_and_count_all_test_images(outputs):
    metrics = json.loads((outputs / "gradcam.json").read_text())
    assert metrics["layer"] == "features"
    assert metrics["feature_map"] == "4 x 4"
    assert metrics["method"] == "GradCAM"
    assert metrics["images"] == 12
    assert sum(metrics["class"][name]["images"] for name in CLASSES) == 12
    assert sum(metrics["class"][name]["empty"] for name in CLASSES) == metrics["empty"]


def test_heat_lies_where_the_finding_is(outputs):
    by_class = json.loads((outputs / "gradcam.json").read_text())["class"]
    # The builder draws COVID in the left half, which it calls the lungs, and the last class in
    # the right half.
    assert by_class["COVID"]["lungs"]["heat"] > 0.6
    assert by_class["bacterial/viral"]["lungs"]["heat"] < 0.4
    assert by_class["COVID"]["lungs"]["area"] == 0.5


def test_again_gives_the_same_bytes(inputs, outputs, tmp_path, monkeypatch):
    again = gradcam(inputs, tmp_path, monkeypatch, per_class=2)
    files = sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert len(files) == 9
    for file in files:
        assert (again / file).read_bytes() == (outputs / file).read_bytes(), file


def linked(inputs, folder, *names):
    for name in names:
        (folder / INPUTS[name]).symlink_to(inputs / INPUTS[name])


def test_a_data_set_without_masks_has_no_shares_of_lungs(inputs, tmp_path, monkeypatch):
    linked(inputs, tmp_path, "model", "predictions", "split", "pixels")
    np.save(tmp_path / "masks.npy", np.zeros((0, 64, 64), np.uint8))
    gradcam(tmp_path, tmp_path, monkeypatch)
    metrics = json.loads((tmp_path / "gradcam.json").read_text())
    assert metrics["lungs"] == {"images": 0, "heat": None, "area": None}
    assert metrics["border"]["heat"] > 0


def test_empty_maps_are_counted_and_still_shown(inputs, tmp_path, monkeypatch):
    linked(inputs, tmp_path, "predictions", "split", "pixels", "masks")
    network, card = models.load(inputs / "model")
    network.dense[0].weight.data.abs_()
    network.classifier.weight.data.abs_().neg_()
    models.save(network, card, tmp_path / "model")
    gradcam(tmp_path, tmp_path, monkeypatch)
    metrics = json.loads((tmp_path / "gradcam.json").read_text())
    assert metrics["empty"] == metrics["images"] == 12
    assert len(list((tmp_path / "plots").iterdir())) == 4
    assert reddened(tmp_path / "plots" / "COVID-1.png") == 0


def test_predictions_of_another_network_are_refused(inputs, tmp_path, monkeypatch):
    linked(inputs, tmp_path, "model", "split", "pixels", "masks")
    table = predictions(inputs).rename(columns={"p_COVID": "p_measles"})
    tables.write(tmp_path / "predictions.csv", table, tables.Predictions)
    with pytest.raises(UserError, match="not of this network"):
        gradcam(tmp_path, tmp_path, monkeypatch)
    assert not (tmp_path / "plots").exists()
