import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML
from scipy.special import softmax

from cxr.heatmaps.belief import believe
from cxr.heatmaps.explainer import Explainer
from cxr.heatmaps.recorded import recorded_heatmaps
from cxr.models.classifier import Classifier
from cxr.pipeline import tables
from cxr.pipeline.errors import UserError
from stages.gradcam import measure
from stages.gradcam.__main__ import main
from stages.gradcam.measure import Measurer
from stages.gradcam.predictions import add_predictions
from stages.gradcam.summary import MEASURES
from tests.helpers.builders import prepared
from tests.helpers.closure import ROOT
from tests.helpers.fitted import fit

CLASSES = ("COVID", "Normal", "bacterial/viral")
INPUTS = {
    "model": "model",
    "predictions": "predictions.csv",
    "split": "split.csv",
    "pixels": "pixels.npy",
    "masks": "masks.npy",
    "lesions": "lesions.npy",
}


def gradcam(inputs, outputs, monkeypatch, novel=None, **changes):
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["evaluate"]["resamples"] = 100
    params["gradcam"] |= {
        "images_per_split": 9,
        "perturbed_per_split": 4,
        "examples_per_class": 1,
        "novel": str(novel or outputs / "novel"),
        **changes,
    }
    yaml.dump(params, outputs / "params.yaml")
    (outputs / "novel").mkdir(exist_ok=True)
    files = {
        "params": outputs / "params.yaml",
        **{name: inputs / file for name, file in INPUTS.items()},
        "metrics": outputs / "headline.json",
        "details": outputs / "gradcam.json",
        "plots": outputs / "plots",
    }
    options = [text for name, file in files.items() for text in (f"--{name}", str(file))]
    monkeypatch.setattr(sys, "argv", ["gradcam", *options])
    main()
    return outputs


def predictions(folder):
    """Predictions of all images but the training ones: all right, except one in three COVID.

    They differ from the network's own, which shows where a prediction comes from.
    """
    split = tables.read(folder / "split.csv", tables.Split)
    table = split[split["split"] != "train"].reset_index(drop=True)
    probs = np.array([np.where(np.array(CLASSES) == label, 0.8, 0.1) for label in table["target"]])
    missed = (table["target"] == "COVID") & (table.index % 3 == 0)
    probs[missed] = [0.25, 0.6, 0.15]
    columns = {f"p_{name}": probs[:, number] for number, name in enumerate(CLASSES)}
    return table[["image", "target", "split"]].assign(**columns)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = fit(
        prepared(tmp_path_factory.mktemp("inputs"), 60, 64, CLASSES),
        steps=100,
        batch=12,
        head="pyramid",
    )
    tables.write(folder / "predictions.csv", predictions(folder), tables.Predictions)
    return folder


@pytest.fixture(scope="module")
def novel(inputs, tmp_path_factory):
    """Two images, one of them in a sub-folder, a text, and a hidden file."""
    folder = tmp_path_factory.mktemp("novel")
    pixels = np.load(inputs / "pixels.npy")
    (folder / "later").mkdir()
    Image.fromarray(pixels[0]).save(folder / "a.png")
    Image.fromarray(pixels[1]).resize((90, 70)).save(folder / "later" / "b.jpg")
    (folder / "notes.txt").write_text("none")
    (folder / ".hidden").write_text("none")
    return folder


@pytest.fixture(scope="module")
def outputs(inputs, novel, tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("outputs")
        return gradcam(inputs, folder, monkeypatch, novel, **ALL)


ALL = {"images_per_split": 100, "perturbed_per_split": 16}


def metrics(folder):
    return json.loads((folder / "gradcam.json").read_text())


def test_a_sheet_for_each_class_and_one_of_novel_images(outputs):
    names = {path.name for path in (outputs / "plots").iterdir()}
    assert names == {"COVID.png", "Normal.png", "bacterial%2Fviral.png", "novel.png"}
    for name in names:
        assert heated(outputs / "plots" / name) > 0.002, name


def heated(picture):
    """Share of yellow, the colour of heat, in a sheet; the colour bar on its right left out."""
    colours = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    width = colours.shape[1]
    sheet = colours[:, : width * 80 // 100]
    red, green, blue = np.moveaxis(sheet, -1, 0)
    # The outline of a lesion is orange, and errors are red: less green.
    return ((green - blue > 40) & (red - green < 60)).mean()


def test_what_is_explained_is_the_predicted_class(inputs):
    classifier = Classifier.load(inputs / "model")
    split = tables.read(inputs / "split.csv", tables.Split)
    pixels = np.load(inputs / "pixels.npy")
    given = tables.read(inputs / "predictions.csv", tables.Predictions)
    images = add_predictions(split, given, classifier, pixels)
    assert images["image"].tolist() == split["image"].tolist()

    held_out = images[images["split"] != "train"]
    missed = held_out[~held_out["correct"]]
    assert set(missed["target"]) == {"COVID"}
    assert set(missed["p_target"]) == {0.25}
    assert set(missed["p_predicted"]) == {0.6}
    rows, classes = Measurer(classifier, None, [], 0).rows_and_predictions(missed)
    assert rows.tolist() == missed["row"].tolist()
    assert set(classes.tolist()) == {CLASSES.index("Normal")}

    training = images[images["split"] == "train"]
    logits = classifier.logits(pixels, training["row"].to_numpy())
    probs = softmax(logits / classifier.info.temperature, axis=1)
    assert training["p_predicted"].to_numpy() == pytest.approx(probs.max(1), abs=1e-6)
    assert (training["predicted"] == np.array(CLASSES)[probs.argmax(1)]).all()


def test_metrics_name_layer_and_method_and_count_the_images_of_every_subset(inputs, outputs):
    content = metrics(outputs)
    assert content["layer"] == "mix"
    assert content["feature_map"] == "8 x 8"
    assert content["method"] == "GradCAM"
    assert recorded_heatmaps(outputs / "gradcam.json", inputs / "model") == (
        *("GradCAM", "mix"),
        believe(content["test"]),
    )
    counts = {subset: content[subset]["images"] for subset in ("train", "val", "test", "novel")}
    assert counts == {"train": 36, "val": 12, "test": 12, "novel": 2}
    assert content["novel"]["unusable"] == 1
    for subset in tables.SPLITS:
        assert content[subset]["perturbed"] == min(16, counts[subset])
        assert sum(part["images"] for part in content[subset]["class"].values()) == counts[subset]


def test_every_number_is_there_with_its_interval_whatever_the_data(outputs, masked_out):
    for name, part in (("all", metrics(outputs)), ("no masks", metrics(masked_out))):
        for subset in (*tables.SPLITS, "novel"):
            assert part[subset].keys() >= {*MEASURES, "interval"}, name
            assert part[subset]["interval"].keys() == set(MEASURES), name
        assert part["difference"].keys() == {"val_train", "test_train", "novel_train"}
    test = metrics(outputs)["test"]
    for name in MEASURES:
        ends = test["interval"][name]
        assert ends["low"] - 1e-9 <= test[name] <= ends["high"] + 1e-9, name


def test_heat_lies_where_the_finding_is_in_every_subset(outputs):
    # The builder draws COVID in the left half, which it calls the lungs, and the last class in
    # the right half.
    for subset in tables.SPLITS:
        by_class = metrics(outputs)[subset]["class"]
        assert by_class["COVID"]["lungs_heat"] > 0.6
        assert by_class["bacterial/viral"]["lungs_heat"] < 0.4
        assert by_class["COVID"]["lungs_area"] == 0.5


def test_where_the_heat_lies_does_not_depend_on_the_batches(inputs, monkeypatch):
    classifier = Classifier.load(inputs / "model")
    explain, untrained = (
        Explainer(each, "GradCAM") for each in (classifier, Classifier.build(classifier.info))
    )
    split = tables.read(inputs / "split.csv", tables.Split).head(7)
    images = split.assign(predicted=split["target"], correct=True)
    arrays = [np.load(inputs / INPUTS[name]) for name in ("pixels", "masks", "lesions")]
    measurer = Measurer(classifier, explain, [untrained], 0)
    whole = measurer.localization(images, *arrays)
    monkeypatch.setattr(measure, "BATCH_SIZE", 3)
    batched = measurer.localization(images, *arrays)
    assert whole["lungs_hit_mean_map"].notna().all()
    pd.testing.assert_frame_equal(batched, whole, atol=1e-3)


def test_heat_that_decides_is_told_from_chance(outputs):
    content = metrics(outputs)["train"]
    assert content["interval"]["insertion_gain"]["low"] > 0
    assert content["interval"]["deletion_gain"]["low"] > 0
    for small_change in ("shift", "brightness"):
        low = content["interval"][small_change]["low"]
        assert low > content["interval"]["random_weights"]["high"], small_change


def test_again_gives_the_same_bytes(inputs, novel, outputs, tmp_path, monkeypatch):
    again = gradcam(inputs, tmp_path, monkeypatch, novel, **ALL)
    files = sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert len(files) == 7
    for file in files:
        assert (again / file).read_bytes() == (outputs / file).read_bytes(), file


def linked(inputs, folder, *names):
    for name in names:
        (folder / INPUTS[name]).symlink_to(inputs / INPUTS[name])


@pytest.fixture(scope="module")
def masked_out(inputs, tmp_path_factory):
    """The stage on a data set without masks."""
    folder = tmp_path_factory.mktemp("no_masks")
    linked(inputs, folder, "model", "predictions", "split", "pixels")
    np.save(folder / "lesions.npy", np.zeros((0, 64, 64), np.uint8))
    np.save(folder / "masks.npy", np.zeros((0, 64, 64), np.uint8))
    with pytest.MonkeyPatch.context() as monkeypatch:
        return gradcam(folder, folder, monkeypatch)


def test_a_data_set_without_masks_has_no_shares_of_lungs(masked_out):
    test = metrics(masked_out)["test"]
    assert test["lungs_heat"] is test["lungs_hit"] is test["lungs_area"] is None
    assert test["border_heat"] > 0


def test_so_many_are_measured_and_as_many_of_each_class(masked_out):
    for subset in tables.SPLITS:
        content = metrics(masked_out)[subset]
        assert content["images"] == 9
        assert {part["images"] for part in content["class"].values()} == {3}


def test_empty_maps_are_counted_and_still_shown(inputs, tmp_path, monkeypatch):
    linked(inputs, tmp_path, "predictions", "split", "pixels", "masks", "lesions")
    classifier = Classifier.load(inputs / "model")
    # The features are not negative, so there is evidence against every class alone.
    classifier.network.classifier.weight.data.abs_().neg_()
    classifier.save(tmp_path / "model")
    gradcam(tmp_path, tmp_path, monkeypatch)
    test = metrics(tmp_path)["test"]
    assert test["empty"] == test["images"] == 9
    assert test["border_heat"] is test["shift"] is test["deletion"] is None
    assert len(list((tmp_path / "plots").iterdir())) == 3
    assert heated(tmp_path / "plots" / "COVID.png") < 0.001


def test_predictions_of_another_network_are_refused(inputs, tmp_path, monkeypatch):
    linked(inputs, tmp_path, "model", "split", "pixels", "masks", "lesions")
    table = predictions(inputs).rename(columns={"p_COVID": "p_measles"})
    tables.write(tmp_path / "predictions.csv", table, tables.Predictions)
    with pytest.raises(UserError, match="not written for this network"):
        gradcam(tmp_path, tmp_path, monkeypatch)
    assert not (tmp_path / "plots").exists()


def test_a_folder_of_novel_images_that_is_not_there_is_refused(inputs, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"gradcam\.novel: there is no folder 'nowhere'"):
        gradcam(inputs, tmp_path, monkeypatch, Path("nowhere"))
