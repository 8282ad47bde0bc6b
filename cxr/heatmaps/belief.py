"""In one sentence: can the heatmaps of a network be believed, by what was measured?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FLOOR_NAMES = {
    "area": "a random point",
    "centre": "the image's centre",
    "mean_map": "the mean map of other images",
    "untrained": "a network with random weights",
    "edges": "an edge detector",
}


@dataclass(frozen=True)
class Verdict:
    """Whether heatmaps can be believed, in one sentence.

    Attributes:
        overall: of all classes.
        by_class: of each class by its own images; empty if nothing was measured.
    """

    overall: str
    by_class: dict[str, str] = field(default_factory=dict)

    def of_class(self, name: str) -> str:
        """Return the sentence for the heatmaps of one class."""
        return self.by_class.get(name, self.overall)


def believe(summary: Mapping[str, Any]) -> Verdict:
    """Say whether the maps passed the floors: all of them, and those of each class.

    Args:
        summary: of the test images, in metrics/details/gradcam.json.
    """
    judged = summary["judgement"]
    of_classes = {name: part["judgement"] for name, part in summary["class"].items()}
    failed = [
        name
        for name, of_class in of_classes.items()
        if of_class["region"] == "lesion" and not of_class["explains"]
    ]
    exception = f" Those of {' and '.join(failed)} did not pass." if failed else ""
    overall = judgement_sentence(judged, "these heatmaps")
    return Verdict(
        overall + (exception if judged["explains"] else ""),
        {
            name: judgement_sentence(of_class, f"the heatmaps of {name}")
            # The class without a disease has lungs, but no lesion.
            if of_class["region"] == judged["region"]
            else f"It is unknown whether the heatmaps of {name} can be believed: there are no "
            "lesions to test them."
            for name, of_class in of_classes.items()
        },
    )


def judgement_sentence(judgement: Mapping[str, Any], heatmaps: str) -> str:
    """Say of some heatmaps, named in lower case, what was measured, and what follows."""
    if judgement["region"] is None:
        return (
            f"It is unknown whether {heatmaps} can be believed: there are no lesion or lung "
            "masks to test them."
        )
    region = "lesion" if judgement["region"] == "lesion" else "lungs"
    images = "test images that are classified right" if region == "lesion" else "test images"
    rates = (
        f"they point at the {region} in {judgement['hit_rate']:.0%} of the {images}; "
        f"{FLOOR_NAMES[judgement['best_floor_name']]} does in {judgement['best_floor']:.0%}"
    )
    if not judgement["explains"]:
        return f"Do not rely on {heatmaps}: {rates}."
    # Not capitalize(), which changes the class names.
    subject = heatmaps[0].upper() + heatmaps[1:]
    if region == "lungs":
        return f"{subject} find the lungs, but the lesions are unknown: {rates}."
    return f"{subject} passed the test: {rates}."
