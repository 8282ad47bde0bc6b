"""Trained networks against each other on the same test images, by the same resamples."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest

from cxr.commands.revisions import Run
from cxr.metrics import bootstrap, classification
from cxr.metrics.calibration_error import calibration_scores
from cxr.metrics.classification import Floats, nan_mean
from cxr.metrics.operating_point import find_positive_class
from cxr.pipeline.params import Evaluate

LOWER_IS_BETTER = ("brier", "ece")
RANGE = {"mcc": (-1, 1), "brier": (0, 2)}
"""What a score can be, where it is not from 0 to 1."""


BySet = dict[str, dict[str, Floats]]
"""By test set and score."""


@dataclass(frozen=True)
class Estimate:
    """A number with the interval's ends; `p` is that of the number being 0 (two-sided)."""

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Scores:
    """What repeats of one configuration reach, for each test set.

    Attributes:
        found: by test set and score, of each run, (runs,).
        drawn: by test set and score, the mean over the runs in each resample, (R,).
        groups: for the scores that are shares, of how many patients or groups.
        confidence: share of the resamples inside an interval.
    """

    found: BySet
    drawn: BySet
    groups: dict[str, int]
    confidence: float

    @property
    def names(self) -> list[str]:
        """The scores there are."""
        return list(next(iter(self.found.values())))

    def runs(self, score: str) -> Floats:
        """The score of every run, on its own test images."""
        return np.concatenate([values[score] for values in self.found.values()])

    def estimate(self, score: str) -> Estimate:
        """The mean over test sets of the means over runs."""
        value = nan_mean(np.array([values[score].mean() for values in self.found.values()]))
        drawn = nan_mean(np.stack([values[score] for values in self.drawn.values()]), axis=0)
        # What makes up for few runs, in `mean_of_drawn`, can lead beyond.
        drawn = drawn.clip(*RANGE.get(score, (0, 1)))
        found = estimate(value, drawn, self.confidence)
        ends = np.array([found.low, found.high])
        low, high = classification.correct_interval(
            score, ends, found.value, self.groups, self.confidence
        )
        return Estimate(found.value, float(low), float(high), found.p)

    def minus(self, other: "Scores", score: str) -> Estimate | None:
        """The difference on the test sets that both have; None if there are none."""
        shared = [name for name in self.found if name in other.found]
        if not shared:
            return None
        value = nan_mean(
            np.array(
                [
                    self.found[name][score].mean() - other.found[name][score].mean()
                    for name in shared
                ]
            )
        )
        drawn = nan_mean(
            np.stack([self.drawn[name][score] - other.drawn[name][score] for name in shared]),
            axis=0,
        )
        return estimate(value, drawn, self.confidence)


def estimate(value: Floats, drawn: Floats, confidence: float) -> Estimate:
    """A number and what it is in each resample, to its percentile interval."""
    low, high = bootstrap.percentile_interval(drawn, confidence)
    return Estimate(float(value), float(low), float(high), p_value(drawn))


def p_value(drawn: Floats) -> float:
    """The p at which a two-sided percentile interval begins to hold 0.

    Davison and Hinkley 1997, "Bootstrap Methods and their Application", sections 4.2 and 5.3;
    a resample more on either side than there are, so that it is never 0.
    """
    known = drawn[~np.isnan(drawn)]
    beyond = min((known <= 0).sum(), (known >= 0).sum())
    return min(1.0, 2 * (1 + float(beyond)) / (1 + len(known)))


def resample(configurations: list[list[Run]], settings: Evaluate) -> list[Scores]:
    """Score configurations, each given as its repeats, on the same resamples.

    Patients or groups are drawn out of all test sets together, so that one that stands in several
    (as with `split.seed`) is drawn in all of them. Where a configuration has several runs on one
    test set, these are drawn too, as what repeats it would also give other networks.
    """
    groups = {
        run.test_set: run.test["split_group"].to_numpy()
        for repeats in configurations
        for run in repeats
    }
    ends = np.cumsum([len(members) for members in groups.values()])[:-1]
    randoms = [random_of(repeats, settings.seed) for repeats in configurations]
    blocks: list[list[BySet]] = [[] for _ in configurations]
    every = np.concatenate(list(groups.values()))
    for weights in bootstrap.resample_weights(every, settings.resamples, settings.seed):
        of_sets = dict(zip(groups, np.split(weights, ends, axis=1), strict=True))
        for repeats, random, block in zip(configurations, randoms, blocks, strict=True):
            measured = by_set(repeats, settings, of_sets)
            block.append(each(measured, partial(mean_of_drawn, random=random)))
    return [
        Scores(
            each(by_set(repeats, settings), lambda values: values[:, 0]),
            joined(block),
            groups_of_shares(repeats, settings),
            settings.confidence,
        )
        for repeats, block in zip(configurations, blocks, strict=True)
    ]


def random_of(repeats: list[Run], seed: int) -> np.random.Generator:
    """What draws among a configuration's runs, whatever it is compared with."""
    names = " ".join(sorted(run.name for run in repeats))
    return np.random.default_rng([seed, zlib.crc32(names.encode())])


def by_set(
    repeats: list[Run], settings: Evaluate, weights: dict[str, Floats] | None = None
) -> BySet:
    """Scores of a configuration's runs, (runs, R) each.

    Args:
        weights: by test set, (R, N); one row of ones if not given.
    """
    found: dict[str, list[dict[str, Floats]]] = {}
    for run in repeats:
        of_set = None if weights is None else weights[run.test_set]
        found.setdefault(run.test_set, []).append(measure(run, settings, of_set))
    return {
        name: {score: np.stack([one[score] for one in measured]) for score in measured[0]}
        for name, measured in found.items()
    }


def each(found: BySet, change: Callable[[Floats], Floats]) -> BySet:
    """The same with every array changed."""
    return {
        name: {score: change(values) for score, values in of_set.items()}
        for name, of_set in found.items()
    }


def joined(blocks: list[BySet]) -> BySet:
    """Blocks of resamples as one."""
    return {
        name: {score: np.concatenate([block[name][score] for block in blocks]) for score in of_set}
        for name, of_set in blocks[0].items()
    }


def groups_of_shares(repeats: list[Run], settings: Evaluate) -> dict[str, int]:
    """How many patients or groups a score is a share of, where it is one of some."""
    images = pd.concat([run.test for run in repeats])
    found = classification.effective_groups(
        images["target"].to_numpy(), images["split_group"].to_numpy()
    )
    positive = find_positive_class(settings.positive, repeats[0].classes)
    if positive is not None:
        of_class = images[images["target"] == positive]
        found[f"sensitivity_{positive}"] = of_class["split_group"].nunique()
    return found


def measure(run: Run, settings: Evaluate, weights: Floats | None = None) -> dict[str, Floats]:
    """The headline of metrics/test.json, and the sensitivity to the class not to be missed.

    Args:
        weights: (R, N); one row of ones if not given.

    Returns:
        (R,) for each score.
    """
    by_class = classification.class_scores(run.actual, run.probabilities, weights)
    found = classification.headline_scores(run.actual, run.probabilities, weights, by_class)
    found |= calibration_scores(run.actual, run.probabilities, weights)
    positive = find_positive_class(settings.positive, run.classes)
    if positive is not None:
        number = run.classes.index(positive)
        found[f"sensitivity_{positive}"] = by_class["sensitivity"][:, number]
    return found


def mean_of_drawn(values: Floats, random: np.random.Generator) -> Floats:
    """The mean over runs drawn with replacement, in each resample of the images.

    The mean of n drawn ones varies by (n - 1) / n of what it should; the deviation is enlarged
    to make up for it (Rao and Wu 1988, "Resampling inference with complex survey data").

    Args:
        values: (runs, R).

    Returns:
        (R,).
    """
    runs, resamples = values.shape
    middle = values.mean(0)
    if runs == 1:
        return middle
    often = random.multinomial(runs, np.full(runs, 1 / runs), size=resamples).T / runs
    varied: Floats = middle + np.sqrt(runs / (runs - 1)) * ((often * values).sum(0) - middle)
    return varied


def mcnemar(one: list[Run], other: list[Run]) -> float | None:
    """Exact McNemar test (1947) of whether two configurations are right equally often.

    It takes the images for independent, which images of one patient are not.

    Returns:
        the two-sided p; None unless each image of the shared test sets was told once by each.
    """
    pairs = [(left, right) for left in one for right in other if left.test_set == right.test_set]
    images = [image for left, _ in pairs for image in left.test["image"]]
    if not images or len(images) != len(set(images)):
        return None
    right_or_wrong = [(correct(left), correct(right)) for left, right in pairs]
    gained = sum(int((ours & ~theirs).sum()) for ours, theirs in right_or_wrong)
    lost = sum(int((~ours & theirs).sum()) for ours, theirs in right_or_wrong)
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def correct(run: Run) -> NDArray[np.bool_]:
    """Whether the most probable class is the right one, (N,)."""
    told: NDArray[np.bool_] = run.probabilities.argmax(1) == run.actual
    return told


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Holm's correction (1979) of the p values of several comparisons; None stays None."""
    known = sorted((value, place) for place, value in enumerate(p) if value is not None)
    corrected: list[float | None] = [None] * len(p)
    largest = 0.0
    for rank, (value, place) in enumerate(known):
        largest = max(largest, min(1.0, value * (len(known) - rank)))
        corrected[place] = largest
    return corrected
