"""Paired comparison of trained networks: the same bootstrap resamples of the same test images."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest

from cxr.commands.revisions import Run
from cxr.metrics.bootstrap import percentile_interval, resample_weights
from cxr.metrics.calibration_error import calibration_scores
from cxr.metrics.classification import (
    Floats,
    class_scores,
    correct_interval,
    effective_groups,
    headline_scores,
    nan_mean,
)
from cxr.metrics.operating_point import find_positive_class
from cxr.pipeline.params import Evaluate

LOWER_IS_BETTER = ("brier", "ece")
SCORE_RANGE = {"mcc": (-1, 1), "brier": (0, 2)}
"""Of the scores whose range is not 0 to 1."""

ByTestSet = dict[str, dict[str, Floats]]
"""Arrays by test set and score."""


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, and `p`, the two-sided p-value of the hypothesis that it is 0."""

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class ConfigurationScores:
    """The scores of all runs of one configuration.

    Attributes:
        values: by test set and score, of each run, (runs,).
        resampled: by test set and score, the mean over the runs in each resample, (R,).
        groups: number of patients or single images behind a score; see `effective_groups`.
        confidence: of the intervals.
    """

    values: ByTestSet
    resampled: ByTestSet
    groups: dict[str, int]
    confidence: float

    @property
    def names(self) -> list[str]:
        """The names of the scores."""
        return list(next(iter(self.values.values())))

    def runs(self, score: str) -> Floats:
        """The score of every run, each on its own test images."""
        return np.concatenate([scores[score] for scores in self.values.values()])

    def estimate(self, score: str) -> Estimate:
        """The mean over the test sets, of the means over the runs."""
        value = nan_mean(np.array([scores[score].mean() for scores in self.values.values()]))
        resampled = mean_of([scores[score] for scores in self.resampled.values()])
        # The correction for few runs in `resample_runs` can exceed the range.
        resampled = resampled.clip(*SCORE_RANGE.get(score, (0, 1)))
        uncorrected = to_estimate(value, resampled, self.confidence)
        low, high = correct_interval(
            score,
            np.array([uncorrected.low, uncorrected.high]),
            uncorrected.value,
            self.groups,
            self.confidence,
        )
        return Estimate(uncorrected.value, float(low), float(high), uncorrected.p)

    def difference(self, other: "ConfigurationScores", score: str) -> Estimate | None:
        """This minus the other, on the test sets that both have; None if there are none."""
        shared = [test_set for test_set in self.values if test_set in other.values]
        if not shared:
            return None
        value = nan_mean(
            np.array(
                [
                    self.values[name][score].mean() - other.values[name][score].mean()
                    for name in shared
                ]
            )
        )
        resampled = mean_of(
            [self.resampled[name][score] - other.resampled[name][score] for name in shared]
        )
        return to_estimate(value, resampled, self.confidence)


def mean_of(arrays: Sequence[Floats]) -> Floats:
    """Element-wise mean of arrays, ignoring NaN."""
    return nan_mean(np.stack(arrays), axis=0)


def to_estimate(value: Floats, resampled: Floats, confidence: float) -> Estimate:
    """A number with the percentile interval and the p-value of its resamples (R,)."""
    low, high = percentile_interval(resampled, confidence)
    return Estimate(float(value), float(low), float(high), p_value(resampled))


def p_value(resampled: Floats) -> float:
    """The smallest p at which the two-sided percentile interval excludes 0.

    Davison and Hinkley 1997, "Bootstrap Methods and their Application", sections 4.2 and 5.3. One
    resample is added on either side, so that p is never 0.
    """
    known = resampled[~np.isnan(resampled)]
    beyond = min((known <= 0).sum(), (known >= 0).sum())
    return min(1.0, 2 * (1 + float(beyond)) / (1 + len(known)))


def score_configurations(
    configurations: list[list[Run]], settings: Evaluate
) -> list[ConfigurationScores]:
    """Score configurations, each given by its runs, on the same resamples.

    Patients or single images are drawn from all test sets together: one that is in several (as with
    `split.seed`) is drawn in all of them. Where a configuration has several runs on a test
    set, runs are drawn too, so that the intervals include the variation between runs.
    """
    groups = {
        run.test_set: run.test["split_group"].to_numpy() for runs in configurations for run in runs
    }
    ends = np.cumsum([len(members) for members in groups.values()])[:-1]
    generators = [run_generator(runs, settings.seed) for runs in configurations]
    blocks: list[list[ByTestSet]] = [[] for _ in configurations]
    all_groups = np.concatenate(list(groups.values()))
    for weights in resample_weights(all_groups, settings.resamples, settings.seed):
        weights_of = dict(zip(groups, np.split(weights, ends, axis=1), strict=True))
        for runs, generator, block in zip(configurations, generators, blocks, strict=True):
            scores = scores_by_test_set(runs, settings, weights_of)
            block.append(map_arrays(scores, partial(resample_runs, random=generator)))
    return [
        ConfigurationScores(
            map_arrays(scores_by_test_set(runs, settings), lambda values: values[:, 0]),
            concatenate_blocks(block),
            groups_by_score(runs, settings),
            settings.confidence,
        )
        for runs, block in zip(configurations, blocks, strict=True)
    ]


def run_generator(runs: list[Run], seed: int) -> np.random.Generator:
    """The random generator for a configuration's runs: independent of the other configurations."""
    names = " ".join(sorted(run.name for run in runs))
    return np.random.default_rng([seed, zlib.crc32(names.encode())])


def scores_by_test_set(
    runs: list[Run], settings: Evaluate, weights: dict[str, Floats] | None = None
) -> ByTestSet:
    """Scores of a configuration's runs, (runs, R) each.

    Args:
        weights: by test set, (R, N); one row of ones if not given.
    """
    scores: dict[str, list[dict[str, Floats]]] = {}
    for run in runs:
        run_weights = None if weights is None else weights[run.test_set]
        scores.setdefault(run.test_set, []).append(run_scores(run, settings, run_weights))
    return {
        test_set: {score: np.stack([of_run[score] for of_run in of_runs]) for score in of_runs[0]}
        for test_set, of_runs in scores.items()
    }


def run_scores(run: Run, settings: Evaluate, weights: Floats | None = None) -> dict[str, Floats]:
    """The headline scores of metrics/test.json, and the sensitivity to the positive class.

    Args:
        weights: (R, N); one row of ones if not given.

    Returns:
        (R,) for each score.
    """
    by_class = class_scores(run.actual, run.probs, weights)
    scores = headline_scores(run.actual, run.probs, weights, by_class)
    scores |= calibration_scores(run.actual, run.probs, weights)
    positive = find_positive_class(settings.positive_class, run.classes)
    if positive is not None:
        index = run.classes.index(positive)
        scores[f"sensitivity_{positive}"] = by_class["sensitivity"][:, index]
    return scores


def map_arrays(scores: ByTestSet, function: Callable[[Floats], Floats]) -> ByTestSet:
    """Apply a function to every array."""
    return {
        test_set: {score: function(values) for score, values in by_score.items()}
        for test_set, by_score in scores.items()
    }


def concatenate_blocks(blocks: list[ByTestSet]) -> ByTestSet:
    """Join the arrays of blocks of resamples."""
    return {
        test_set: {
            score: np.concatenate([block[test_set][score] for block in blocks])
            for score in by_score
        }
        for test_set, by_score in blocks[0].items()
    }


def groups_by_score(runs: list[Run], settings: Evaluate) -> dict[str, int]:
    """Number of patients or single images behind each score that is a share."""
    images = pd.concat([run.test for run in runs])
    groups = effective_groups(images["target"].to_numpy(), images["split_group"].to_numpy())
    positive = find_positive_class(settings.positive_class, runs[0].classes)
    if positive is not None:
        positives = images[images["target"] == positive]
        groups[f"sensitivity_{positive}"] = positives["split_group"].nunique()
    return groups


def resample_runs(values: Floats, random: np.random.Generator) -> Floats:
    """The mean over runs drawn with replacement, in each resample of the images.

    The mean of n resampled runs has only (n - 1) / n of the variance of the mean of n runs. The
    deviation is scaled up to correct this (Rao and Wu 1988, "Resampling inference with complex
    survey data").

    Args:
        values: (runs, R).

    Returns:
        (R,).
    """
    runs, resamples = values.shape
    mean = values.mean(0)
    if runs == 1:
        return mean
    weights = random.multinomial(runs, np.full(runs, 1 / runs), size=resamples).T / runs
    means: Floats = mean + np.sqrt(runs / (runs - 1)) * ((weights * values).sum(0) - mean)
    return means


def mcnemar_p(first: list[Run], second: list[Run]) -> float | None:
    """Exact McNemar test (1947) of whether two configurations are correct equally often.

    It assumes independent images, which images of the same patient are not.

    Returns:
        the two-sided p-value; None unless each configuration classified every image of the shared
        test sets exactly once.
    """
    pairs = [(run, other) for run in first for other in second if run.test_set == other.test_set]
    images = [image for run, _ in pairs for image in run.test["image"]]
    if not images or len(images) != len(set(images)):
        return None
    correct = [(is_correct(run), is_correct(other)) for run, other in pairs]
    first_only = sum(int((ours & ~theirs).sum()) for ours, theirs in correct)
    second_only = sum(int((~ours & theirs).sum()) for ours, theirs in correct)
    discordant = first_only + second_only
    return float(binomtest(first_only, discordant).pvalue) if discordant else 1.0


def is_correct(run: Run) -> NDArray[np.bool_]:
    """Whether the most probable class is the actual one, (N,)."""
    correct: NDArray[np.bool_] = run.probs.argmax(1) == run.actual
    return correct


def holm_correction(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction (1979) for multiple comparisons; None stays None."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        corrected[place] = largest
    return corrected
