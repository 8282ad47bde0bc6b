"""In one sentence: can the heatmaps of a network be believed, by what was measured?"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cxr.heatmaps.explainer import Explainer
from cxr.models.classifier import MODEL_FILE
from cxr.pipeline.files import sha256

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
        judgement: of the test images, in metrics/details/gradcam.json.
    """
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
    return f"These heatmaps passed the test: {rates}."


def identify(explain: Explainer, method: str, model: Path) -> dict[str, str]:
    """Name what heatmaps depend on: the model folder's weights, the method and the layer."""
    return {"model": sha256(model / MODEL_FILE), "method": method, "layer": explain.layer}


def recorded_belief(details: Path, identity: Mapping[str, str]) -> str:
    """Say whether heatmaps can be believed, if the gradcam stage has measured the same ones.

    Args:
        details: metrics/details/gradcam.json; it may be missing or of another model.
        identity: what `identify` returned.
    """
    content = json.loads(details.read_text()) if details.is_file() else {}
    if any(content.get(key) != value for key, value in identity.items()):
        return (
            "It is unknown whether these heatmaps can be believed: "
            f"{details} has no measurements of this model's."
        )
    return believe(content["test"]["judgement"])
