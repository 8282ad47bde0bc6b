"""A network that looks at a marker is told from one that looks at the disease."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxr.heatmaps.explainer import Explainer
from cxr.models.classifier import Classifier
from cxr.pipeline.params import Evaluate, load
from stages.gradcam.agreement import random_classifiers
from stages.gradcam.measure import Measurer
from stages.gradcam.predictions import add_predictions
from stages.gradcam.summary import judge
from tests.helpers.closure import ROOT
from tests.helpers.phantoms import phantom_with_network


def heatmaps(folder: Path, marker: float) -> tuple[dict, pd.DataFrame]:
    """The judgement of the test images' heatmaps, and the measures of each image."""
    settings: Evaluate = load(ROOT / "params.yaml").evaluate
    images = phantom_with_network(folder, marker, size=64, steps=150, head="pyramid")
    classifier = Classifier.load(folder / "model")
    pixels, masks, lesions = (
        np.load(folder / f"{name}.npy") for name in ("pixels", "masks", "lesions")
    )
    columns = ["image", *(f"p_{name}" for name in classifier.info.classes)]
    none = pd.DataFrame(columns=columns, dtype=float)
    test = add_predictions(images[images["split"] == "test"], none, classifier, pixels)
    networks = (classifier, *random_classifiers(classifier.info, 0))
    explain, *untrained = (Explainer(network, "GradCAM") for network in networks)
    measured = Measurer(classifier, explain, untrained, 0).localization(
        test, pixels, masks, lesions
    )
    return judge(pd.concat([test, measured], axis=1), settings), measured


@pytest.mark.slow
def test_a_network_that_looks_at_the_marker_fails_and_one_that_looks_at_the_lesion_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    clean, measured = heatmaps(tmp_path / "clean", marker=0.0)
    marked, measured_marked = heatmaps(tmp_path / "marked", marker=1.0)
    print(clean, marked, measured.mean(), measured_marked.mean())
    assert clean["explains"]
    assert not marked["explains"]
    assert marked["hit_rate"] < clean["hit_rate"] / 2
    assert measured_marked["border_heat"].mean() > 2 * measured["border_heat"].mean()
