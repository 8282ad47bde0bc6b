"""Shortcut audit: how well can the classes be predicted without looking at the disease?

After DeGrave et al. 2021 ("AI for radiographic COVID-19 detection selects shortcuts over signal")
and Maguolo and Nanni 2021, who blacked out the lungs and lost little accuracy.

Each probe predicts the classes from an input without signs of disease, and is scored by balanced
accuracy with its interval. `chance` is 1 / the number of classes among its images. `suspicious`
are

- file, border, lungs_blanked (no sign of disease in the input): if the interval starts more than
  `MARGIN` of the way from chance to 1;
- thumbnail (a large opacity is visible even at 8 x 8 pixels): if it starts more than
  `THUMBNAIL_MARGIN` of the way, because on the phantom without its marker it starts at 0.3;
- lungs_only (the network sees nothing but the lungs): if the interval includes chance, although
  those on the whole images and with blanked lungs do not. A lower score alone is no sign of a
  shortcut, because the network has never seen images cut like that.

Whether a probe is suspicious does not depend on the network's score: a weak network would make any
data look suspicious. `network_gain` is how much more balanced accuracy the network reaches than
file, thumbnail and border on the same images. If its interval includes 0, nothing shows that the
network uses more than the probe does.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.metrics.bootstrap import (
    bootstrap_intervals,
    exact_if_degenerate,
    interval_to_json,
    nan_to_none,
)
from cxr.metrics.classification import (
    Floats,
    Labels,
    auroc_and_ap,
    confusion_matrices,
    effective_groups,
    nan_mean,
    rates_from_confusion,
)
from cxr.models.classifier import Classifier
from cxr.pipeline.params import Evaluate
from cxr.pipeline.tables import class_indices
from stages.evaluate import probes

MARGIN = 0.1
THUMBNAIL_MARGIN = 0.5
BATCH = 256
"""Images that are blanked at a time."""

Result = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """Test images to classify: rows of the pixel array, class indices and groups, (N,) each."""

    rows: NDArray[np.int64]
    actual: Labels
    groups: NDArray[np.str_]
    settings: Evaluate

    def subset(self, mask: NDArray[np.bool_]) -> "Task":
        """The images where `mask` is true."""
        return Task(self.rows[mask], self.actual[mask], self.groups[mask], self.settings)


def audit_shortcuts(
    classifier: Classifier,
    images: pd.DataFrame,
    pixels: NDArray[np.uint8],
    masks: NDArray[np.uint8],
    probs: Floats,
    settings: Evaluate,
) -> Result:
    """Run all probes.

    Args:
        images: the training and test images, with the columns of `Split` and `Images`.
        pixels: uint8 (all images, S, S), may be memory-mapped.
        masks: the same, not 0 inside the lungs; of length 0 if the data set has none.
        probs: (test images, K), of the network, in the order of `images`.

    Returns:
        `suspicious`, the number of suspicious probes; `network`, its result on the whole images;
        and the result of each probe by name.
    """
    labels = class_indices(images["target"], classifier.info.classes)
    rows, train = images["row"].to_numpy(), (images["split"] == "train").to_numpy()
    task = Task(rows, labels, images["split_group"].to_numpy(), settings).subset(~train)

    file, thumbnail, border = (
        score_probe(
            task,
            probes.predict_with_forest(features, labels, train, settings.seed),
            probs,
        )
        for features in (
            probes.file_features(images),
            probes.thumbnails(pixels, rows),
            probes.borders(pixels, rows),
        )
    )
    lungs_blanked, lungs_only, masked = score_lung_probes(classifier, task, pixels, masks, probs)
    results = {
        "file": (file, above_chance(file, MARGIN)),
        "thumbnail": (thumbnail, above_chance(thumbnail, THUMBNAIL_MARGIN)),
        "border": (border, above_chance(border, MARGIN)),
        "lungs_blanked": (lungs_blanked, above_chance(lungs_blanked, MARGIN)),
        "lungs_only": (
            lungs_only,
            above_chance(masked) and above_chance(lungs_blanked) and not above_chance(lungs_only),
        ),
    }
    return {
        "suspicious": sum(suspicious for _, suspicious in results.values()),
        "network": score_probe(task, probs),
        **{
            name: {"suspicious": suspicious, **result}
            for name, (result, suspicious) in results.items()
        },
    }


def audit_headline(audit: Result) -> Result:
    """The numbers of metrics/audit.json: suspicious probes, and the least `network_gain`."""
    gains = [result.get("network_gain") for result in audit.values() if isinstance(result, dict)]
    known = [gain for gain in gains if gain is not None]
    return {"suspicious": audit["suspicious"], "network_gain": min(known, default=None)}


def score_lung_probes(
    classifier: Classifier,
    task: Task,
    pixels: NDArray[np.uint8],
    masks: NDArray[np.uint8],
    probs: Floats,
) -> tuple[Result, Result, Result]:
    """The network's results with blanked lungs, on the lungs only, and on the whole images.

    Only images that have a lung mask are used.
    """
    has_mask = np.zeros(len(task.rows), bool)
    if len(masks):
        has_mask[:] = [masks[row].any() for row in task.rows]
    masked = task.subset(has_mask)

    def score_blanked(blank_lungs: bool) -> Result:
        probs = [np.empty((0, len(classifier.info.classes)))]
        for start in range(0, len(masked.rows), BATCH):
            rows = masked.rows[start : start + BATCH]
            images = probes.blank(pixels[rows], (masks[rows] > 0) == blank_lungs)
            probs.append(classifier.probs(images))
        return score_probe(masked, np.concatenate(probs))

    return (
        score_blanked(blank_lungs=True),
        score_blanked(blank_lungs=False),
        score_probe(masked, probs[has_mask]),
    )


def score_probe(task: Task, probs: Floats, network: Floats | None = None) -> Result:
    """Balanced accuracy and AUROC (mean one-vs-rest) of a probe, beside chance.

    Args:
        probs: (N, K), of the probe; N may be 0.
        network: the same, of the network; adds `network_gain`, its balanced accuracy minus that
            of the probe, resampled together.
    """
    if not len(task.actual):
        return {"images": 0, "balanced_accuracy": None, "auroc": None, "chance": None}
    present = np.unique(task.actual)

    def statistics(weights: Floats) -> dict[str, Floats]:
        def balanced_accuracy(probs: Floats) -> Floats:
            predicted = probs.argmax(1)
            matrices = confusion_matrices(task.actual, predicted, probs.shape[1], weights)
            return nan_mean(rates_from_confusion(matrices)["sensitivity"][:, present])

        areas = [
            auroc_and_ap(task.actual == index, probs[:, index], weights)[0] for index in present
        ]
        reached = balanced_accuracy(probs)
        gain = {} if network is None else {"network_gain": balanced_accuracy(network) - reached}
        return {"balanced_accuracy": reached, "auroc": nan_mean(np.stack(areas, axis=1)), **gain}

    settings = task.settings
    intervals = bootstrap_intervals(statistics, task.groups, settings)
    group_counts = effective_groups(task.actual, task.groups)
    for name in ("balanced_accuracy", "auroc"):
        intervals[name] = exact_if_degenerate(
            intervals[name], group_counts[name], settings.confidence
        )
    scores = statistics(np.ones((1, len(task.actual))))
    return {
        "images": len(task.actual),
        **{name: nan_to_none(values[0]) for name, values in scores.items()},
        "chance": 1 / len(present),
        "interval": {name: interval_to_json(interval) for name, interval in intervals.items()},
    }


def above_chance(result: Result, margin: float = 0.0) -> bool:
    """Whether the interval starts more than `margin` of the way from chance to 1."""
    if not result["images"]:
        return False
    low, chance = result["interval"]["balanced_accuracy"]["low"], result["chance"]
    return low is not None and bool(low > chance + margin * (1 - chance))
