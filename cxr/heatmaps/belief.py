"""In one sentence: can the heatmaps of a network be believed, by what was measured?"""

from collections.abc import Mapping
from typing import Any

FLOOR_NAMES = {
    "area": "a random point",
    "centre": "the image's centre",
    "mean_map": "the mean map of other images",
    "untrained": "a network with random weights",
    "edges": "an edge detector",
}


def believe(judgement: Mapping[str, Any]) -> str:
    """Say whether the maps passed the floors.

    Args:
        judgement: of the test images, in metrics/gradcam.json.
    """
    if judgement["region"] is None:
        return (
            "It is unknown whether these heatmaps can be believed: there are no lesion or lung "
            "masks to test them."
        )
    region = "lesion" if judgement["region"] == "lesion" else "lungs"
    rates = (
        f"they point at the {region} in {judgement['hit']:.0%} of the test images; "
        f"{FLOOR_NAMES[judgement['best_floor']]} does in {judgement['floor']:.0%}"
    )
    if not judgement["explains"]:
        return f"Do not rely on these heatmaps: {rates}."
    if region == "lungs":
        return f"These heatmaps find the lungs, but the lesions are unknown: {rates}."
    return f"These heatmaps passed the test: {rates}."
