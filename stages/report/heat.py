"""What was measured of the heatmaps: as tables, and in plain words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxr.pipeline.tables import SPLITS
from cxr.plotting.display_names import display_name
from stages.report.wording import known, number, percent

Metrics = Mapping[str, Any]

MEANINGS = {
    "empty": "empty maps: nothing speaks for the class",
    "perturbed": "images that agreement and faithfulness were measured on",
    "lungs_images": "images with a lung mask",
    "lungs_heat": "share of the heat in the lungs",
    "lungs_area": "share of the image that is lungs",
    "lungs_excess": "share of the heat in the lungs beyond that of the area",
    "lungs_hit": "share of maps with their hottest pixel in the lungs",
    "border_heat": "share of the heat in the outer tenth of the image",
    "border_area": "share of the image that is its outer tenth",
    "shift": "agreement with the map of the image a little shifted",
    "flip": "agreement with the map of the image mirrored",
    "brightness": "agreement with the map of the image brightened",
    "other_image": "agreement with the map of another image (should be low)",
    "random_weights": "agreement with the map of random weights (should be low)",
    "random_empty": "share of the maps of random weights that are empty, left out there",
    "deletion": "probability while the hottest pixels are taken out (should be low)",
    "deletion_gain": "how much lower that is than for a random map",
    "insertion": "probability while the hottest pixels are put in (should be high)",
    "insertion_gain": "how much higher that is than for a random map",
}
"""Of the measures in metrics/gradcam.json; others are shown by their name."""


@dataclass(frozen=True)
class Cell:
    """A value, and the ends of its interval if it has one."""

    value: float | int | None
    ends: Mapping[str, float | None] | None = None


@dataclass(frozen=True)
class Table:
    """`rows` are a measure and a cell for each of the `columns`, None where there is none."""

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Cell | None]]]


def tables(gradcam: Metrics) -> list[Table]:
    """The measures by side, of the test images by class, and as differences between sides."""
    sides = {side: gradcam[side] for side in (*SPLITS, "novel")}
    seen = {display_name(side): part for side, part in sides.items() if part["images"]}
    test = gradcam["test"]
    between = {
        name.replace("_", " less "): one
        for name, one in gradcam["difference"].items()
        if sides[name.removesuffix("_train")]["images"]
    }
    return [
        table("by side", seen),
        table("test images by class", {"all": test, **test["class"]}),
        table("differences between sides", between),
    ]


def table(title: str, parts: Mapping[str, Metrics]) -> Table:
    """A column for each part, a row for each measure that one of them has."""
    columns = {name: cells(part) for name, part in parts.items()}
    names = dict.fromkeys(measure for each in columns.values() for measure in each)
    rows = [
        (
            MEANINGS.get(measure, display_name(measure)),
            [each.get(measure) for each in columns.values()],
        )
        for measure in names
    ]
    return Table(title, list(columns), rows)


def cells(part: Metrics) -> dict[str, Cell]:
    """Every number of a part, but those by class."""
    ends = part["interval"]
    return {
        name: Cell(value, ends.get(name))
        for name, value in part.items()
        if name not in ("class", "interval")
    }


def verdict(gradcam: Metrics) -> list[str]:
    """What the measures of the test images say, a sentence or two for each kind."""
    measured = cells(gradcam["test"])
    return [in_lungs(measured), agreement(measured), faithfulness(measured)]


def in_lungs(measured: Mapping[str, Cell]) -> str:
    """Whether the heat prefers the lungs: more than an even map, beyond the interval if known."""
    share, area = measured["lungs_heat"].value, measured["lungs_area"].value
    if share is None or area is None:
        return "There are no lung masks: where the heat lies can only be seen, not measured."
    said = (
        f"{percent(share)} of the heat lies in the lungs, which fill {percent(area)} of the image"
    )
    ends = measured["lungs_excess"].ends
    if not known(ends):
        return f"{said}: an even map would have as much there as they fill."
    if ends["low"] > 0:  # type: ignore[index, operator]
        hits = measured["lungs_hit"].ends
        if known(hits) and hits["high"] < area:  # type: ignore[index, operator]
            return (
                f"{said}: more than an even map would have there. But the hottest point lies there "
                "less often than a random point would."
            )
        return f"{said}: more than an even map would have there. It prefers the lungs."
    if ends["high"] < 0:  # type: ignore[index, operator]
        return f"{said}: less than an even map would have there. It avoids the lungs."
    return f"{said}: not shown to be other than an even map. It does not prefer the lungs."


def agreement(measured: Mapping[str, Cell]) -> str:
    """Whether maps stay when they should, more than others are like them."""
    kept = [measured[name] for name in ("shift", "flip", "brightness")]
    floors = [measured[name] for name in ("random_weights", "other_image")]
    if not all(known(cell.ends) for cell in (*kept, *floors)):
        return "Whether the maps are stable is undefined: there are too few."
    floor = max(floors, key=lambda cell: cell.value or 0)
    least = min(kept, key=lambda cell: cell.value or 0)
    finding = (
        "clearly more, so the maps hang on the image and on what the network learnt"
        if least.ends["low"] > floor.ends["high"]  # type: ignore[index, operator]
        else "not clearly more, so do not read much into a single heatmap"
    )
    return (
        f"Maps of the same image shifted, mirrored or brightened agree by {number(least.value)} "
        f"at least, those of random weights or of another image by {number(floor.value)} "
        f"(1: the same): {finding}."
    )


def faithfulness(measured: Mapping[str, Cell]) -> str:
    """Whether what is hot is what the network decides by."""
    gain = measured["deletion_gain"]
    if not known(gain.ends):
        return "Whether the network decides by what is hot is undefined: there are too few maps."
    finding = (
        "the network decides by what is hot, more than by a random patch"
        if gain.ends["low"] > 0  # type: ignore[index, operator]
        else "not shown to be what the network decides by"
    )
    return (
        "With its hottest pixels taken out, the probability falls by "
        f"{number(gain.value)} more than with random ones: {finding}."
    )
