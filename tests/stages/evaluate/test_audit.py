import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from cxr.models.classifier import Classifier
from cxr.pipeline.params import Evaluate
from stages.evaluate import probes
from stages.evaluate.audit import Task, above_chance, audit_shortcuts, score_probe
from tests.helpers.phantoms import phantom_with_network

SETTINGS = Evaluate(
    resamples=300, confidence=0.95, seed=0, positive_class=[], target_sensitivity=0.95
)


@pytest.fixture(scope="module", params=[0.0, 1.0], ids=["clean", "marked"])
def audited(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom") / "data"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
        images = phantom_with_network(folder, request.param)
    classifier = Classifier.load(folder / "model")
    pixels, masks = np.load(folder / "pixels.npy"), np.load(folder / "masks.npy")
    test = images[images["split"] == "test"]
    logits = classifier.logits(pixels, test["row"].to_numpy())
    found = audit_shortcuts(classifier, images, pixels, masks, softmax(logits, axis=1), SETTINGS)
    return request.param, found


@pytest.mark.slow
def test_the_phantom_sets_it_off_with_its_marker_and_not_without(audited):
    marker, found = audited
    suspicious = {name for name in found if isinstance(found[name], dict)
                  and found[name].get("suspicious")}  # fmt: skip
    assert len(suspicious) == found["suspicious"]
    if marker:
        assert {"border", "lungs_blanked"} <= suspicious
        assert found["border"]["balanced_accuracy"] > 0.9
    else:
        assert suspicious == set()
        assert found["network"]["interval"]["balanced_accuracy"]["low"] > 0.25


def test_a_verdict_is_that_of_scikit_learns_scores():
    random = np.random.default_rng(0)
    actual = random.integers(3, size=90)
    probs = random.dirichlet(np.ones(3), 90) + 0.4 * np.eye(3)[actual]
    probs /= probs.sum(1, keepdims=True)
    groups = np.array([f"p{number // 2}" for number in range(90)])
    found = score_probe(Task(np.arange(90), actual, groups, SETTINGS), probs)
    assert found["balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(actual, probs.argmax(1))
    )
    assert found["auroc"] == pytest.approx(roc_auc_score(actual, probs, multi_class="ovr"))
    assert found["chance"] == pytest.approx(1 / 3)
    low = found["interval"]["balanced_accuracy"]["low"]
    assert above_chance(found) == (low > 1 / 3)
    # Half of the way from 1/3 to 1.
    assert above_chance(found, 0.5) == (low > 2 / 3)


def test_what_the_network_adds_to_a_probe_is_a_paired_difference():
    random = np.random.default_rng(0)
    actual = random.integers(3, size=90)
    probe, network = (
        random.dirichlet(np.ones(3), 90) + sure * np.eye(3)[actual] for sure in (0.1, 0.8)
    )
    task = Task(np.arange(90), actual, np.arange(90).astype(str), SETTINGS)
    found = score_probe(task, probe, network)
    expected = [balanced_accuracy_score(actual, one.argmax(1)) for one in (network, probe)]
    assert found["network_gain"] == pytest.approx(expected[0] - expected[1])
    ends = found["interval"]["network_gain"]
    assert 0 < ends["low"] < found["network_gain"] < ends["high"]
    same = score_probe(task, network, network)
    assert same["interval"]["network_gain"] == {"low": 0, "high": 0}
    assert "network_gain" not in score_probe(task, network)


def test_what_is_not_among_the_images_is_no_class():
    actual = np.array([0, 0, 2, 2])
    probs = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8], [0.1, 0.1, 0.8]])
    found = score_probe(Task(np.arange(4), actual, np.array(list("abcd")), SETTINGS), probs)
    assert found["chance"] == 0.5
    assert found["balanced_accuracy"] == 0.75
    nothing = score_probe(Task(np.arange(0), actual[:0], np.array([], str), SETTINGS), probs[:0])
    assert nothing["images"] == 0
    assert not above_chance(nothing)


def test_a_format_that_tells_the_class_is_found_in_the_file_facts():
    images = pd.DataFrame(
        {
            "format": ["PNG", "JPEG"] * 40,
            "mode": ["L", "L", "RGB", "RGB"] * 20,
            "width": [300, 200] * 10 + [200, 300] * 30,
            "height": 100,
        }
    )
    facts = probes.file_features(images)
    assert facts.shape == (80, 7)
    assert facts[0].tolist() == [0, 1, 1, 0, 300, 100, 3]
    train = np.arange(80) < 60
    probs = probes.predict_with_forest(facts, np.arange(80) % 2, train, seed=0)
    assert (probs.argmax(1) == np.arange(60, 80) % 2).all()
    assert (probes.predict_with_forest(facts, np.arange(80) % 2, train, seed=0) == probs).all()


def test_the_border_is_the_outer_tenth_and_a_thumbnail_the_mean_of_its_cells():
    images = np.zeros((2, 80, 80), np.uint8)
    images[0, 8:-8, 8:-8] = 200
    images[1, 3, 40] = 160
    border = probes.borders(images, np.array([0, 1]))
    assert border.shape == (2, 40 * 40 - 32 * 32)
    assert not border[0].any()
    assert border[1].max() == 160 / 4
    thumbnail = probes.thumbnails(images, np.array([1, 0]))
    assert thumbnail.shape == (2, 64)
    assert thumbnail[1].mean() == pytest.approx(200 * 0.8**2, abs=0.5)


def test_what_is_blanked_gets_the_mean_of_its_image():
    images = np.array([[[0, 100], [200, 100]], [[10, 10], [10, 50]]], np.uint8)
    where = np.array([[[True, False], [False, False]], [[False, False], [True, True]]])
    expected = [[[100, 100], [200, 100]], [[10, 10], [20, 20]]]
    assert probes.blank(images, where).tolist() == expected
