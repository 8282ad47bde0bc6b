"""The heatmap measures, as tables and as sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxr.pipeline.tables import SPLITS
from cxr.plotting.display_names import display_name
from stages.report.formatting import capitalized, is_defined, number, percent

Metrics = Mapping[str, Any]

REGIONS = {"lesion": "the lesion (where the prediction is right)", "lungs": "the lungs"}
DESCRIPTIONS = {
    "groups": "patients, or single images where the patient is unknown",
    "empty": "empty heatmaps (no evidence for the class)",
    "perturbed": "images used for agreement and faithfulness",
    **{
        f"{region}_{measure}": description.format(place)
        for region, place in REGIONS.items()
        for measure, description in {
            "heat": "heat inside {}, share of the heatmap",
            "area": "area of {}, share of the image",
            "excess": "heat inside {} minus its share of the image",
            "precision": "average precision of the heatmap's pixels for {}",
            "hit": "heatmaps with their hottest pixel inside {}, share",
            "hit_centre": "images with their centre inside {}, share",
            "hit_mean_map": "mean heatmaps of the other images with their hottest pixel inside {}, "
            "share",
            "hit_untrained": "heatmaps of networks with random weights with their hottest pixel "
            "inside {}, share",
            "hit_edges": "images with their strongest edge inside {}, share",
        }.items()
    },
    "border_heat": "heat in the outer tenth of the image, share of the heatmap",
    "border_area": "area of the outer tenth, share of the image",
    "shift": "correlation with the heatmap of the shifted image",
    "brightness": "correlation with the heatmap of the brightened image",
    "other_image": "correlation with the heatmap of another image (should be low)",
    "random_weights": "correlation with the heatmap of a network with random weights (should be "
    "low)",
    "random_empty": "empty heatmaps of networks with random weights, share",
    "deletion": "deletion: probability while the hottest pixels are removed (should be low)",
    "deletion_gain": "deletion: how much lower this is than with a random heatmap",
    "insertion": "insertion: probability while the hottest pixels are inserted (should be high)",
    "insertion_gain": "insertion: how much higher this is than with a random heatmap",
}
"""Row titles of the measures; others are shown by their name."""


@dataclass(frozen=True)
class Cell:
    """A value, with its interval if it has one."""

    value: float | int | None
    interval: Mapping[str, float | None] | None = None


@dataclass(frozen=True)
class Table:
    """A table of measures: each row has a cell for each of the `columns`, None where missing."""

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Cell | None]]]


def heatmap_tables(gradcam: Metrics) -> list[Table]:
    """The measures by split, by class of the test images, and as differences between splits."""
    splits = {name: gradcam[name] for name in (*SPLITS, "novel")}
    by_split = {
        capitalized(display_name(name)): part for name, part in splits.items() if part["images"]
    }
    test = gradcam["test"]
    differences = {
        f"{capitalized(display_name(name.removesuffix('_train')))} − training": part
        for name, part in gradcam["difference"].items()
        if splits[name.removesuffix("_train")]["images"]
    }
    return [
        measure_table("by split", by_split),
        measure_table("test images by class", {"All": test, **test["class"]}),
        measure_table("differences between splits", differences),
    ]


def measure_table(title: str, parts: Mapping[str, Metrics]) -> Table:
    """A table with a column for each part, and a row for each measure that a part has."""
    columns = {name: measure_cells(part) for name, part in parts.items()}
    measures = dict.fromkeys(measure for cells in columns.values() for measure in cells)
    rows = [
        (
            DESCRIPTIONS.get(measure, display_name(measure)),
            [cells.get(measure) for cells in columns.values()],
        )
        for measure in measures
    ]
    return Table(title, list(columns), rows)


def measure_cells(part: Metrics) -> dict[str, Cell]:
    """The measures of a part, without those of its classes."""
    intervals = part["interval"]
    return {
        measure: Cell(value, intervals.get(measure))
        for measure, value in part.items()
        if measure not in ("class", "interval", "judgement")
    }


def heatmap_sentences(gradcam: Metrics) -> list[str]:
    """What the measures of the test images show: location, stability and faithfulness."""
    test = measure_cells(gradcam["test"])
    return [location_sentence(test), stability_sentence(test), faithfulness_sentence(test)]


def location_sentence(test: Mapping[str, Cell]) -> str:
    """Whether the heat is concentrated in the lungs, compared with a uniform heatmap."""
    heat, area = test["lungs_heat"].value, test["lungs_area"].value
    if heat is None or area is None:
        return "There are no lung masks, so the location of the heat was not measured."
    shares = (
        f"{percent(heat)} of the heat lies inside the lungs, which cover {percent(area)} of the "
        "image"
    )
    excess, hit = test["lungs_excess"].interval, test["lungs_hit"].interval
    if not is_defined(excess):
        return f"{shares}. With so few heatmaps, this cannot be compared with a uniform heatmap."
    if excess["low"] > 0:  # type: ignore[index, operator]
        if is_defined(hit) and hit["high"] < area:  # type: ignore[index, operator]
            return (
                f"{shares}: more than in a uniform heatmap. But the hottest pixel lies inside them "
                "less often than a random pixel would."
            )
        return f"{shares}: more than in a uniform heatmap. The heat is concentrated in the lungs."
    if excess["high"] < 0:  # type: ignore[index, operator]
        return f"{shares}: less than in a uniform heatmap. The heat avoids the lungs."
    return (
        f"{shares}. This is not significantly different from a uniform heatmap: there is no "
        "evidence that the heat is concentrated in the lungs."
    )


def stability_sentence(test: Mapping[str, Cell]) -> str:
    """Whether heatmaps are stable under small changes, compared with unrelated heatmaps."""
    same = [test[name] for name in ("shift", "brightness")]
    unrelated = [test[name] for name in ("random_weights", "other_image")]
    if not all(is_defined(cell.interval) for cell in (*same, *unrelated)):
        return "There are too few heatmaps to measure their stability."
    lowest = min(same, key=lambda cell: cell.value or 0)
    highest = max(unrelated, key=lambda cell: cell.value or 0)
    conclusion = (
        "clearly less, so the heatmaps depend on the image and on what the network has learned"
        if lowest.interval["low"] > highest.interval["high"]  # type: ignore[index, operator]
        else "not clearly less, so do not rely on a single heatmap"
    )
    return (
        "Heatmaps of a shifted or brightened image correlate with the original by at "
        f"least {number(lowest.value)} on average; those of random weights or of another image by "
        f"up to {number(highest.value)}: {conclusion}."
    )


def faithfulness_sentence(test: Mapping[str, Cell]) -> str:
    """Whether the prediction depends on the hottest pixels, compared with a random heatmap."""
    gain = test["deletion_gain"]
    if not is_defined(gain.interval):
        return "There are too few heatmaps to measure the effect of removing the hottest pixels."
    conclusion = (
        "the prediction depends on the hottest pixels"
        if gain.interval["low"] > 0  # type: ignore[index, operator]
        else "the prediction is not shown to depend on the hottest pixels"
    )
    return (
        f"Removing the hottest pixels lowers the probability by {number(gain.value)} more than "
        f"removing pixels in the order of a random heatmap: {conclusion}."
    )
