"""The measures of heatmaps in words and tables."""

import pytest

from stages.report import heat

CLASSES = ("COVID", "Normal")
ENDS = {"low": 0.01, "high": 0.09}


def part(images: int = 9, **changes: object) -> dict:
    """Measures of some images, by no class; those in `changes` are (value, low, high)."""
    values = {
        **{"lungs_heat": (0.45, 0.4, 0.5), "lungs_area": (0.4, 0.35, 0.45)},
        "lungs_excess": (0.05, 0.01, 0.09),
        **{"shift": (0.9, 0.8, 1.0), "flip": (0.7, 0.6, 0.8), "brightness": (0.95, 0.9, 1.0)},
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
    sides, classes, differences = heat.tables(of_sides())
    assert sides.columns == ["training", "validation", "test"]
    assert classes.columns == ["all", *CLASSES]
    assert differences.columns == ["test less train"]
    rows = dict(classes.rows)
    cell = rows["share of the heat in the lungs beyond that of the area"][0]
    assert cell == heat.Cell(0.05, ENDS)
    assert rows["images"] == [heat.Cell(9), heat.Cell(4), heat.Cell(4)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "It prefers the lungs"),
        ({"lungs_hit": (0.2, 0.1, 0.3)}, "less often than a random point"),
        ({"lungs_excess": (-0.05, -0.09, -0.01)}, "It avoids the lungs"),
        ({"lungs_excess": (0.05, -0.01, 0.09)}, "It does not prefer the lungs"),
        ({"lungs_heat": (None, None, None)}, "There are no lung masks"),
        ({}, "random weights or of another image by 0.200 (1: the same): clearly"),
        ({"random_weights": (0.5, 0.3, 0.65)}, "not clearly more, so do not read much into"),
        ({"other_image": (0.6, 0.5, 0.65)}, "by 0.600 (1: the same): not clearly more"),
        ({"flip": (None, None, None)}, "Whether the maps are stable is undefined"),
        ({}, "not shown to be what the network decides by"),
        ({"deletion_gain": (0.04, 0.01, 0.1)}, "decides by what is hot"),
        ({"deletion_gain": (None, None, None)}, "what is hot is undefined"),
    ],
)
def test_what_the_measures_say(changes: dict, said: str) -> None:
    assert said in " ".join(heat.verdict(of_sides(**changes)))
