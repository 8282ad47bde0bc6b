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


def believe(summary: Mapping[str, Any]) -> str:
    """Say whether the maps passed the floors, and for which classes with a lesion they did not.

    Args:
        summary: of the test images, in metrics/details/gradcam.json.
    """
    judgement = summary["judgement"]
    if judgement["region"] is None:
        return (
            "It is unknown whether these heatmaps can be believed: there are no lesion or lung "
            "masks to test them."
        )
    region = "lesion" if judgement["region"] == "lesion" else "lungs"
    images = "test images that are classified right" if region == "lesion" else "test images"
    rates = (
        f"they point at the {region} in {judgement['hit']:.0%} of the {images}; "
        f"{FLOOR_NAMES[judgement['best_floor']]} does in {judgement['floor']:.0%}"
    )
    if not judgement["explains"]:
        return f"Do not rely on these heatmaps: {rates}."
    if region == "lungs":
        return f"These heatmaps find the lungs, but the lesions are unknown: {rates}."
    classes = {name: of_class["judgement"] for name, of_class in summary["class"].items()}
    failed = [
        name
        for name, judged in classes.items()
        if judged["region"] == "lesion" and not judged["explains"]
    ]
    exception = f" Those of {' and '.join(failed)} did not pass." if failed else ""
    return f"These heatmaps passed the test: {rates}.{exception}"
