"""In one sentence: can the heatmaps of a network be believed, by what was measured?"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cxr.heatmaps.explainer import METHODS
from cxr.models.classifier import MODEL_FILE
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import sha256

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
    exception = f" Do not rely on those of {' and '.join(failed)}: they did not." if failed else ""
    return f"These heatmaps passed the test: {rates}.{exception}"


def recorded_heatmaps(details: Path, model: Path) -> tuple[str, str, str]:
    """Return method, layer and verdict of the heatmaps of a model that the gradcam stage measured.

    Without measurements of this model: Grad-CAM, the last layer, and that they are missing.

    Args:
        details: metrics/details/gradcam.json; it may be missing or of another model.
        model: the model folder.

    Raises:
        UserError: if the file is damaged, or of a version of the stage with another format.
    """
    content: Any = {"model": None}
    try:
        if details.is_file():
            content = json.loads(details.read_text("utf-8"))
        if content["model"] != sha256(model / MODEL_FILE):
            return (
                "GradCAM",
                "",
                "It is unknown whether these heatmaps can be believed: "
                f"{details} has no measurements of this model's.",
            )
        method, layer = content["method"], content["layer"]
        if method not in METHODS or not isinstance(layer, str):
            raise ValueError("method or layer")
        return method, layer, believe(content["test"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{details} is damaged, or was written by another version of the gradcam stage: write "
            "it again with `dvc repro gradcam`, or name another file with --measured."
        ) from error
