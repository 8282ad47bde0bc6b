"""Shortcut audit: whether the classes can be told without looking at the disease.

After DeGrave et al. 2021 ("AI for radiographic COVID-19 detection selects shortcuts over signal")
and Maguolo and Nanni 2021, who blacked the lungs out and lost little.

Each probe says by balanced accuracy, with its interval, how much of the classes it finds. `chance`
is 1 / the number of classes among its images. A probe is `suspicious` when

- file, border, lungs_blanked (they hold no sign of disease): the interval begins more than `MARGIN`
  of the way from chance to 1 above chance;
- thumbnail (a large opacity shows even there): the interval begins more than `HALF` of that way up;
- lungs_only (all else blanked): its interval reaches down to chance, while those of the network on
  the same whole images and with the lungs blanked do not. The cut itself is strange to the network,
  so that a loss alone is no sign.

On the phantom without a marker, the interval of thumbnails begins 0.3 of the way up. What they
find is not held against the network: that would suspect the data of a weak network's faults. But
`network_gain` says how much more than file, thumbnail and border the network finds in the same
images; where its interval reaches down to 0, nothing shows that the network sees more than they do.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.metrics import bootstrap
from cxr.metrics.bootstrap import defined, interval
from cxr.metrics.classification import (
    Floats,
    Labels,
    area_and_precision,
    confusion,
    groups_of_shares,
    mean,
    rates,
)
from cxr.models.classifier import Classifier
from cxr.pipeline.params import Evaluate
from stages.evaluate import probes

MARGIN = 0.1
HALF = 0.5
BATCH = 256
"""Images that are blanked at a time."""

Result = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """Test images to tell apart: `rows` of the pixels, numbers of classes and groups, (N,) each."""

    rows: NDArray[np.int64]
    actual: Labels
    groups: NDArray[np.str_]
    settings: Evaluate

    def part(self, where: NDArray[np.bool_]) -> "Task":
        """The images at `where`."""
        return Task(self.rows[where], self.actual[where], self.groups[where], self.settings)


def audit(
    classifier: Classifier,
    images: pd.DataFrame,
    pixels: NDArray[np.uint8],
    masks: NDArray[np.uint8],
    probabilities: Floats,
    settings: Evaluate,
) -> Result:
    """Run all probes.

    Args:
        images: the training and test images, with the columns of `Split` and `Images`.
        pixels: uint8 (all images, S, S), may be memory-mapped.
        masks: the same, not 0 inside the lungs; of length 0 if the data set has none.
        probabilities: (test images, K), the network's, in the order of `images`.

    Returns:
        `suspicious`, how many probes are; `network`, what it finds in the whole images; and the
        probes by name.
    """
    labels = pd.Index(classifier.info.classes).get_indexer(images["target"])
    rows, train = images["row"].to_numpy(), (images["split"] == "train").to_numpy()
    task = Task(rows, labels, images["split_group"].to_numpy(), settings).part(~train)
    whole = judge(task, probabilities)

    file, thumbnail, border = (
        judge(task, probes.learn(features, labels, train, settings.seed), probabilities)
        for features in (
            probes.file_facts(images),
            probes.thumbnails(pixels, rows),
            probes.borders(pixels, rows),
        )
    )
    without_lungs, lungs_only, masked = on_lungs(classifier, task, pixels, masks, probabilities)
    verdicts = {
        "file": above_chance(file, MARGIN),
        "thumbnail": above_chance(thumbnail, HALF),
        "border": above_chance(border, MARGIN),
        "lungs_blanked": above_chance(without_lungs, MARGIN),
        "lungs_only": (
            above_chance(masked) and above_chance(without_lungs) and not above_chance(lungs_only)
        ),
    }
    found = (file, thumbnail, border, without_lungs, lungs_only)
    return {
        "suspicious": sum(verdicts.values()),
        "network": whole,
        **{
            name: {"suspicious": verdict, **result}
            for (name, verdict), result in zip(verdicts.items(), found, strict=True)
        },
    }


def on_lungs(
    classifier: Classifier,
    task: Task,
    pixels: NDArray[np.uint8],
    masks: NDArray[np.uint8],
    probabilities: Floats,
) -> tuple[Result, Result, Result]:
    """What the network finds without the lungs, in the lungs alone, and in the same images whole.

    Only images that have a mask are looked at.
    """
    has_mask = np.zeros(len(task.rows), bool)
    if len(masks):
        has_mask[:] = [masks[row].any() for row in task.rows]
    masked = task.part(has_mask)

    def show(blank_lungs: bool) -> Result:
        probs = [np.empty((0, len(classifier.info.classes)))]
        for start in range(0, len(masked.rows), BATCH):
            rows = masked.rows[start : start + BATCH]
            shown = probes.blanked(pixels[rows], (masks[rows] > 0) == blank_lungs)
            probs.append(classifier.probs(shown))
        return judge(masked, np.concatenate(probs))

    return show(True), show(False), judge(masked, probabilities[has_mask])


def judge(task: Task, probabilities: Floats, network: Floats | None = None) -> Result:
    """Balanced accuracy and AUROC (mean of each class against the rest), beside chance.

    Args:
        probabilities: (N, K); N may be 0.
        network: the same, the network's; how much higher its balanced accuracy is, in the same
            resamples, is then `network_gain`.
    """
    if not len(task.actual):
        return {"images": 0, "balanced_accuracy": None, "auroc": None, "chance": None}
    present = np.unique(task.actual)

    def statistics(weights: Floats) -> dict[str, Floats]:
        drawn = np.stack([weights @ (task.actual == one) > 0 for one in present], axis=1)

        def balanced(probs: Floats) -> Floats:
            matrix = confusion(task.actual, probs.argmax(1), probs.shape[1], weights)
            return mean(rates(matrix)["sensitivity"][:, present], drawn)

        areas = [
            area_and_precision(task.actual == one, probabilities[:, one], weights)[0]
            for one in present
        ]
        found = balanced(probabilities)
        gain = {} if network is None else {"network_gain": balanced(network) - found}
        return {"balanced_accuracy": found, "auroc": mean(np.stack(areas, axis=1), drawn), **gain}

    settings = task.settings
    ends = bootstrap.intervals(statistics, task.groups, settings)
    amounts = groups_of_shares(task.actual, task.groups)
    for name in ("balanced_accuracy", "auroc"):
        ends[name] = bootstrap.widened(ends[name], amounts[name], settings.confidence)
    found = statistics(np.ones((1, len(task.actual))))
    return {
        "images": len(task.actual),
        **{name: defined(values[0]) for name, values in found.items()},
        "chance": 1 / len(present),
        "interval": {name: interval(values) for name, values in ends.items()},
    }


def above_chance(result: Result, margin: float = 0.0) -> bool:
    """Whether the interval begins so far of the way from chance to 1 above chance."""
    if not result["images"]:
        return False
    low, chance = result["interval"]["balanced_accuracy"]["low"], result["chance"]
    return low is not None and bool(low > chance + margin * (1 - chance))
