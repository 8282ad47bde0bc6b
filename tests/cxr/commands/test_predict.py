import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import softmax

from cxr.commands.predict import POSITIVE, SENSITIVITY
from cxr.commands.predict.input_warnings import MAX_COLOURFULNESS, measure_colourfulness
from cxr.heatmaps.explainer import Explainer
from cxr.heatmaps.plots import draw_single
from cxr.models.classifier import Classifier
from cxr.models.info import MODEL_FILE
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import sha256, write_json
from cxr.pipeline.params import load
from tests.helpers.builders import prepared
from tests.helpers.closure import ROOT
from tests.helpers.commands import call
from tests.helpers.fitted import fit

CLASSES = ("COVID", "Normal", "bacterial/viral")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A model, and images as a user may have them: good ones, odd ones, bad ones."""
    folder = fit(prepared(tmp_path_factory.mktemp("work"), 60, 64, CLASSES), 24, temperature=1.5)
    pixels = np.load(folder / "pixels.npy")
    for name in ("scans/deep", "odd"):
        (folder / name).mkdir(parents=True)
    Image.fromarray(pixels[0]).save(folder / "one.png")
    Image.fromarray(pixels[1]).save(folder / "scans" / "two.bmp")
    Image.fromarray(pixels[2]).convert("RGB").save(folder / "scans" / "deep" / "two.tiff")
    for clutter in (".hidden", "Thumbs.db", "desktop.ini"):
        (folder / "scans" / clutter).write_text("none")
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    photograph = np.stack(np.broadcast_arrays(ramp[:, None], ramp, ramp[::-1]), axis=2)
    Image.fromarray(photograph.astype(np.uint8)).save(folder / "odd" / "photograph.png")
    Image.fromarray(np.full((64, 64), 77, np.uint8)).save(folder / "odd" / "blank.png")
    (folder / "odd" / "notes.txt").write_text("none")
    (folder / "odd" / "cut.png").write_bytes((folder / "one.png").read_bytes()[:900])
    return folder


def expected(work, rows):
    """Calibrated probabilities of images that went into the pixel array as they are."""
    torch.set_num_threads(1)
    logits = Classifier.load(work / "model").logits(np.load(work / "pixels.npy"), np.array(rows))
    return softmax(logits / 1.5, axis=1)


def run(*words):
    quiet = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "cxr", "predict", *map(str, words)],
        capture_output=True, text=True, env={**os.environ, **quiet},
    )  # fmt: skip


@pytest.fixture(scope="module")
def ran(work, tmp_path_factory):
    """The real command for machines, on everything at once."""
    heatmaps = tmp_path_factory.mktemp("heatmaps")
    files = [work / "one.png", work / "scans", work / "odd", work / "nowhere.png"]
    return run(*files, "--model", work / "model", "--json", "--heatmaps", heatmaps)


def found(ran, work):
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    return {os.path.relpath(line["image"], work): line for line in lines}


def test_all_files_are_reported_in_order_the_bad_ones_with_a_reason(ran, work):
    lines = found(ran, work)
    assert list(lines) == [
        *("one.png", "scans/deep/two.tiff", "scans/two.bmp"),
        *("odd/blank.png", "odd/cut.png", "odd/notes.txt", "odd/photograph.png", "nowhere.png"),
    ]
    errors = {name: line["error"] for name, line in lines.items() if "error" in line}
    assert errors.pop("odd/cut.png").startswith("damaged")
    assert errors == {
        "odd/blank.png": "blank: all pixels are equal",
        "odd/notes.txt": "not an image",
        "nowhere.png": "no such file",
    }
    assert ran.returncode == 1
    assert ran.stderr.strip() == "error: 4 of 8 files can't be used (see above)."


def test_probabilities_are_calibrated_and_those_of_the_prepared_image(ran, work):
    lines = found(ran, work)
    for row, name in enumerate(["one.png", "scans/two.bmp", "scans/deep/two.tiff"]):
        probabilities = lines[name]["probabilities"]
        assert list(probabilities) == list(CLASSES)
        assert list(probabilities.values()) == pytest.approx(expected(work, [row])[0], abs=1e-5)


def test_what_is_unlike_the_training_images_is_doubted(ran, work):
    lines = found(ran, work)
    assert lines["one.png"]["warnings"] == lines["scans/two.bmp"]["warnings"] == []
    first, second = lines["odd/photograph.png"]["warnings"]
    assert lines["one.png"]["operating_point"] == {
        "positive_class": "COVID",
        "class_index": 0,
        "target_sensitivity": 0.95,
        "threshold": 0.3,
        "validation_images": 2,
    }
    assert "does not look like the training images" in first
    assert "in colour" in second


def test_each_usable_image_has_a_heatmap_of_its_own(ran, work):
    places = [line["heatmap"] for line in found(ran, work).values() if "error" not in line]
    assert len(set(places)) == 4
    for place in places:
        colours = np.asarray(Image.open(place).convert("RGB")).astype(int)
        middle = colours[:, colours.shape[1] // 2 : colours.shape[1] * 4 // 5]
        assert (middle[..., 0] - middle[..., 2] > 60).mean() > 0.02


def test_a_heatmap_says_that_nobody_measured_whether_it_can_be_believed(ran, work):
    lines = [line for line in found(ran, work).values() if "error" not in line]
    assert all("no measurements of this model's" in line["heatmap_verdict"] for line in lines)


JUDGEMENT = {
    **{"region": "lesion", "hit_rate": 0.81, "best_floor": 0.2},
    **{"best_floor_name": "mean_map", "explains": True},
}


@pytest.mark.parametrize(
    ("method", "layer"), [("GradCAM", "features.3"), ("LayerCAM", "features.1")]
)
def test_heatmaps_are_those_that_the_gradcam_stage_measured_of_this_model(
    work, tmp_path, monkeypatch, capsys, method, layer
):
    model, measured = work / "model", Path("metrics/details/gradcam.json")
    details = {
        **{"model": sha256(model / MODEL_FILE), "method": method, "layer": layer},
        "test": {
            "judgement": JUDGEMENT,
            "class": {name: {"judgement": JUDGEMENT} for name in CLASSES},
        },
    }
    monkeypatch.chdir(tmp_path)
    write_json(measured, details)
    words = (work / "one.png", "--model", model, "--heatmaps", tmp_path / "maps")
    verdict = (
        "{} passed the test: they point at the lesion in 81% of the test images that are "
        "classified right; the mean map of other images does in 20%."
    )
    assert here(capsys, *words).out.splitlines()[1] == verdict.format("These heatmaps")
    drawn = (tmp_path / "maps/0001-one.png").read_bytes()
    line = json.loads(here(capsys, *words, "--json").out)
    pixels = np.load(work / "pixels.npy")[:1]
    explain = Explainer(Classifier.load(model), method, layer)
    heatmap = explain(pixels, np.array([CLASSES.index(line["decision"])]))[0]
    prob = expected(work, [0])[0][CLASSES.index(line["decision"])]
    row = SimpleNamespace(target="", predicted=line["decision"], p_predicted=prob)
    verdict = verdict.format(f"The heatmaps of {line['decision']}")
    assert line["heatmap_verdict"] == verdict
    draw_single(tmp_path / "expected.png", row, pixels[0], heatmap, verdict)
    assert heatmap.any()
    assert drawn == (tmp_path / "expected.png").read_bytes()
    write_json(measured, details | {"model": "another"})
    assert "no measurements of this model's" in here(capsys, *words).out.splitlines()[1]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"test": {}}', "old"])
def test_measurements_that_can_not_be_read_are_refused_in_a_line(work, tmp_path, capsys, content):
    measured = tmp_path / "gradcam.json"
    if content == "old":
        details = {"model": sha256(work / "model" / MODEL_FILE), "method": "GradCAM", "layer": ""}
        content = json.dumps(details | {"test": {"lungs_hit": 0.5}})
    measured.write_text(content)
    words = ("--model", work / "model", "--heatmaps", tmp_path / "maps", "--measured", measured)
    with pytest.raises(UserError, match=r"gradcam\.json is damaged, or was written by") as caught:
        here(capsys, work / "one.png", *words)
    assert "\n" not in str(caught.value)


def here(capsys, *words):
    call("predict", *words)
    return capsys.readouterr()


def with_info(work, folder, **changes):
    shutil.copytree(work / "model", folder)
    classifier = Classifier.load(folder)
    classifier.info = replace(classifier.info, **changes)
    classifier.save(folder)
    return folder


def test_the_positive_class_is_called_from_its_threshold_on(work, tmp_path, capsys):
    # The second image of the builder's first patient: COVID, and not by much.
    probs = expected(work, [1])[0].astype(float)
    image = work / "scans" / "two.bmp"
    above, below = probs[1] + 0.01, probs[1] - 0.01
    model = with_info(
        work, tmp_path / "model", validation_probs={"Normal": [below] * 5 + [above] * 5}
    )
    words = (image, "--model", model, "--positive", "normal", "--sensitivity")
    decisions = []
    for sensitivity in ("0.4", "0.5"):
        out = here(capsys, *words, sensitivity).out
        decisions.append(out.splitlines()[1].removeprefix(f"{image}: ").split(" (")[0])
        assert f"chosen on validation images for a sensitivity of {float(sensitivity):.0%}" in out
    others = probs.copy()
    others[1] = 0
    assert decisions == [CLASSES[others.argmax()], "Normal"]


def test_without_an_operating_point_the_most_probable_class_is_called(work, tmp_path, capsys):
    model = with_info(work, tmp_path / "model", validation_probs={})
    out = here(capsys, work / "one.png", "--model", model).out
    assert "decision: the most probable class" in out
    assert f"one.png: {CLASSES[expected(work, [0])[0].argmax()]} (" in out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["one.png", "--model", "nowhere"], "there is no model in nowhere"),
        (
            ["one.png", "--model", "model", "--positive", "measles"],
            "is not a class of this network",
        ),
        (["empty", "--model", "model"], "there are no files in this folder"),
        (["gone.png", "--model", "model"], "1 of 1 files can't be used"),
    ],
)
def test_what_can_not_work_is_said_in_a_line(work, monkeypatch, capsys, words, complaint):
    (work / "empty").mkdir(exist_ok=True)
    monkeypatch.chdir(work)
    with pytest.raises(UserError, match=complaint):
        here(capsys, *words)


def test_a_model_that_does_not_say_how_to_prepare_is_refused(work, tmp_path, capsys):
    model = with_info(work, tmp_path / "model", prepare={})
    with pytest.raises(UserError, match="does not record how its images were prepared"):
        here(capsys, work / "one.png", "--model", model)


@pytest.mark.parametrize("form", ["png", "jpg"])
def test_colour_is_told_from_grey_in_any_mode(tmp_path, form):
    grey = Image.fromarray(np.tile(np.arange(100, dtype=np.uint8), (100, 1)))
    red = Image.merge("RGB", [grey, grey.point(lambda level: level // 2), grey])
    for name, image in (("grey", grey), ("as_rgb", grey.convert("RGB")), ("red", red)):
        image.save(tmp_path / f"{name}.{form}")
    levels = {
        name: measure_colourfulness(tmp_path / f"{name}.{form}")
        for name in ("grey", "as_rgb", "red")
    }
    assert levels["grey"] == 0
    assert levels["as_rgb"] < 0.01
    assert levels["red"] == pytest.approx(99 / 4 / 255, abs=0.01)
    assert levels["red"] > MAX_COLOURFULNESS


def test_sixteen_bits_have_no_colour(tmp_path):
    Image.fromarray(np.arange(0, 40000, 4, dtype=np.uint16).reshape(100, 100)).save(
        tmp_path / "a.png"
    )
    assert measure_colourfulness(tmp_path / "a.png") == 0


def test_the_defaults_are_those_of_params_yaml():
    settings = load(ROOT / "params.yaml").evaluate
    assert (tuple(settings.positive_class), settings.target_sensitivity) == (POSITIVE, SENSITIVITY)
