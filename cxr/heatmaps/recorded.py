"""What the gradcam stage recorded of the heatmaps of a model."""

import json
from pathlib import Path
from typing import Any

from cxr.heatmaps.belief import Verdict, believe
from cxr.heatmaps.explainer import METHODS
from cxr.models.info import MODEL_FILE
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import sha256


def recorded_heatmaps(details: Path, model: Path) -> tuple[str, str, Verdict]:
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
            unknown = (
                "It is unknown whether these heatmaps can be believed: "
                f"{details} has no measurements of this model's."
            )
            return "GradCAM", "", Verdict(unknown)
        method, layer = content["method"], content["layer"]
        if method not in METHODS or not isinstance(layer, str):
            raise ValueError("method or layer")
        return method, layer, believe(content["test"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{details} is damaged, or was written by another version of the gradcam stage: write "
            "it again with `dvc repro gradcam`, or name another file with --measured."
        ) from error
