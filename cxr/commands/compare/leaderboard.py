"""A comparison as a table: scores with intervals, differences from the best, costs."""

from typing import Any

import pandas as pd

from cxr.commands.compare.configurations import Comparison, Configuration
from cxr.commands.compare.cost import model_cost
from cxr.commands.paired import (
    ConfigurationScores,
    holm_correction,
    mcnemar_p,
    score_configurations,
)
from cxr.pipeline.params import PYRAMID_STRIDE, Evaluate
from cxr.plotting.display_names import display_name

BEST, WORSE = "best", "worse"
NOT_SIGNIFICANT = "no significant difference"
UNPAIRED = "no shared test images"
BETTER_ON_SHARED = "better on the shared test images"


def leaderboard(comparison: Comparison, by: str, settings: Evaluate) -> pd.DataFrame:
    """Rank the configurations of a comparison.

    Args:
        by: the score to rank by, and to compare with the best.

    Returns:
        a row for each configuration, the best first: `data`, `name`, `runs` and `revisions`; the
        `result` of the comparison with the best, its p-value `p` and that of McNemar's test
        `mcnemar_p` (both after Holm's correction); `timm` (that library's name of the network)
        and its cost (`parameters`, `megabytes`, `multiply_adds`); and for each score `<score>`,
        its interval `<score>_low` and `<score>_high`, its standard deviation over runs
        `<score>_sd`, and its difference from the best `<score>_difference` with interval. None
        or NaN where undefined.
    """
    runs = [configuration.runs for configuration in comparison.configurations]
    ranked = sorted(
        zip(comparison.configurations, score_configurations(runs, settings), strict=True),
        key=lambda pair: (-pair[1].estimate(by).value, pair[0].name),
    )
    best, best_scores = ranked[0]
    p_values = holm_correction([difference_p(scores, best_scores, by) for _, scores in ranked[1:]])
    mcnemar_p_values = holm_correction(
        [mcnemar_p(configuration.runs, best.runs) for configuration, _ in ranked[1:]]
    )
    rows = []
    for (configuration, scores), p, mcnemar in zip(
        ranked, [None, *p_values], [None, *mcnemar_p_values], strict=True
    ):
        is_best = configuration is best
        columns = score_columns(scores, None if is_best else best_scores)
        difference = columns[f"{by}_difference"]
        rows.append(
            {
                "data": comparison.title,
                "name": configuration.name,
                "runs": len(configuration.runs),
                "revisions": " ".join(run.name for run in configuration.runs),
                "result": BEST if is_best else result(difference, p, 1 - settings.confidence),
                "p": p,
                "mcnemar_p": mcnemar,
                "timm": configuration.settings["architecture.timm"],
                **cost_columns(configuration),
                **columns,
            }
        )
    return pd.DataFrame(rows)


def difference_p(scores: ConfigurationScores, best: ConfigurationScores, by: str) -> float | None:
    """The p-value of the difference from the best; None without shared test images."""
    difference = scores.difference(best, by)
    return None if difference is None else difference.p


def cost_columns(configuration: Configuration) -> dict[str, Any]:
    """The cost of the configuration's network."""
    classes = len(configuration.runs[0].classes)
    settings = configuration.settings
    # Runs of older revisions have no such setting, and most networks no stride of their own.
    head = settings.get("recipe.head", "pooled")
    stride = settings.get("architecture.pyramid_stride", PYRAMID_STRIDE)
    timm, size = settings["architecture.timm"], settings["prepare.image_size"]
    cost = vars(model_cost(timm, classes, size, head, stride))
    passes = 2 if settings.get("recipe.test_time_flip", False) else 1
    return cost | {"multiply_adds": passes * cost["multiply_adds"]}


def score_columns(
    scores: ConfigurationScores, best: ConfigurationScores | None
) -> dict[str, float]:
    """All scores of a configuration, and their differences from the best."""
    columns: dict[str, float] = {}
    for score in scores.names:
        estimate, runs = scores.estimate(score), scores.runs(score)
        columns |= {
            score: estimate.value,
            f"{score}_low": estimate.low,
            f"{score}_high": estimate.high,
            f"{score}_sd": float(runs.std(ddof=1)) if len(runs) > 1 else float("nan"),
        }
        difference = best and scores.difference(best, score)
        for suffix, attribute in (("", "value"), ("_low", "low"), ("_high", "high")):
            columns[f"{score}_difference{suffix}"] = getattr(difference, attribute, float("nan"))
    return columns


def result(difference: float, p: float | None, level: float) -> str:
    """The result of the comparison with the best, at a significance level.

    A configuration with a lower rank can be better on the shared test images, if the best was
    tested on others too.
    """
    if p is None:
        return UNPAIRED
    if p >= level:
        return NOT_SIGNIFICANT
    return WORSE if difference < 0 else BETTER_ON_SHARED


def conclusion(table: pd.DataFrame, by: str) -> str:
    """What a leaderboard shows, in a sentence."""
    best, score = table["name"].iloc[0], display_name(by)
    if len(table) == 1:
        return f"There is nothing to compare {best} with."
    names = {result: part["name"].tolist() for result, part in table.groupby("result")}
    parts = {
        WORSE: "It is significantly better than {}.",
        BETTER_ON_SHARED: "It is significantly worse than {} on the test images that both have.",
        NOT_SIGNIFICANT: "The difference from {} is not significant.",
        UNPAIRED: "It was tested on other images than {}.",
    }
    sentences = [
        text.format("; ".join(names[result])) for result, text in parts.items() if result in names
    ]
    return " ".join([f"The best by {score} is {best}.", *sentences])
