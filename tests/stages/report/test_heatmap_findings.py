"""The measures of heatmaps in words and tables."""

import pytest

from stages.gradcam.summary import MEASURES
from stages.report.heatmap_findings import DESCRIPTIONS, Cell, heatmap_sentences, heatmap_tables

CLASSES = ("COVID", "Normal")
ENDS = {"low": 0.01, "high": 0.09}


def part(images: int = 9, **changes: object) -> dict:
    """Measures of some images, by no class; those in `changes` are (value, low, high)."""
    values = {
        **{"lungs_heat": (0.45, 0.4, 0.5), "lungs_area": (0.4, 0.35, 0.45)},
        "lungs_excess": (0.05, 0.01, 0.09),
        **{"shift": (0.7, 0.6, 0.8), "brightness": (0.95, 0.9, 1.0)},
        **{"random_weights": (0.2, 0.1, 0.3), "other_image": (0.1, 0.0, 0.2)},
        **{"lungs_hit": (0.5, 0.3, 0.7), "deletion_gain": (0.04, -0.01, 0.1)},
        **changes,
    }
    return {
        "images": images,
        **{name: value for name, (value, _, _) in values.items()},
        "interval": {name: {"low": low, "high": high} for name, (_, low, high) in values.items()},
    }


def of_sides(**changes: object) -> dict:
    """metrics/gradcam.json of all sides; there are no novel images."""
    whole = part(**changes) | {"class": dict.fromkeys(CLASSES, part(4))}
    sides = dict.fromkeys(("train", "val", "test"), whole)
    return {"method": "GradCAM", **sides, "novel": part(0), "difference": {"test_train": part()}}


def test_every_side_and_class_has_its_column() -> None:
    sides, classes, differences = heatmap_tables(of_sides())
    assert sides.columns == ["Training", "Validation", "Test"]
    assert classes.columns == ["All", *CLASSES]
    assert differences.columns == ["Test − training"]
    rows = dict(classes.rows)
    cell = rows["heat inside the lungs minus its share of the image"][0]
    assert cell == Cell(0.05, ENDS)
    assert rows["images"] == [Cell(9), Cell(4), Cell(4)]


def test_every_measure_is_described_in_words_of_its_own() -> None:
    described = [DESCRIPTIONS[name] for name in ("groups", "empty", "perturbed", *MEASURES)]
    assert len(set(described)) == len(described)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "The heat is concentrated in the lungs"),
        ({"lungs_hit": (0.2, 0.1, 0.3)}, "less often than a random pixel"),
        ({"lungs_excess": (-0.05, -0.09, -0.01)}, "The heat avoids the lungs"),
        (
            {"lungs_excess": (0.05, -0.01, 0.09)},
            "not significantly different from a uniform heatmap",
        ),
        ({"lungs_heat": (None, None, None)}, "There are no lung masks"),
        ({}, "random weights or of another image by up to 0.200: clearly less"),
        ({"random_weights": (0.5, 0.3, 0.65)}, "not clearly less, so do not rely on"),
        ({"other_image": (0.6, 0.5, 0.65)}, "by up to 0.600: not clearly less"),
        ({"shift": (None, None, None)}, "too few heatmaps to measure their stability"),
        ({}, "not shown to depend on the hottest pixels"),
        ({"deletion_gain": (0.04, 0.01, 0.1)}, "the prediction depends on the hottest pixels"),
        (
            {"deletion_gain": (None, None, None)},
            "too few heatmaps to measure the effect of removing",
        ),
    ],
)
def test_what_the_measures_say(changes: dict, said: str) -> None:
    assert said in " ".join(heatmap_sentences(of_sides(**changes)))
