"""A board as a table: scores with intervals, differences against the best, costs, verdicts."""

from typing import Any

import pandas as pd

from cxr.commands import paired
from cxr.commands.compare.boards import Board, Configuration
from cxr.commands.compare.cost import cost
from cxr.commands.paired import Scores
from cxr.pipeline.params import Evaluate
from cxr.plotting.display_names import display_name

BEST, WORSE, NOISE, UNPAIRED = "best", "worse", "within noise", "not paired"
BETTER = "better where both were tested"


def leaderboard(board: Board, by: str, settings: Evaluate) -> pd.DataFrame:
    """Rank a board's configurations.

    Args:
        by: the score to rank by and to judge differences with.

    Returns:
        a row for each configuration, the best first: `data`, `name`, `runs` and `revisions`;
        `verdict`, `p` (Holm), `mcnemar` (Holm) of the comparison with the best; `timm`, that
        library's name of the network, and what it costs (`parameters`, `megabytes`,
        `multiply_adds`); and for each score `<score>`, its interval `<score>_low` and
        `<score>_high`, its standard deviation over runs `<score>_sd`; and `<score>_difference`
        against the best, with its ends. None where there is nothing to say.
    """
    scored = paired.resample([one.runs for one in board.configurations], settings)
    ranked = sorted(
        zip(board.configurations, scored, strict=True),
        key=lambda pair: (-pair[1].estimate(by).value, pair[0].name),
    )
    best, best_scores = ranked[0]
    others = ranked[1:]
    p = paired.holm([difference_p(found, best_scores, by) for _, found in others])
    mcnemar = paired.holm([paired.mcnemar(one.runs, best.runs) for one, _ in others])
    level = 1 - settings.confidence
    rows = []
    for (one, found), p_one, mcnemar_one in zip(ranked, [None, *p], [None, *mcnemar], strict=True):
        reached = numbers(found, None if one is best else best_scores)
        difference = reached[f"{by}_difference"]
        rows.append(
            {
                "data": board.title,
                "name": one.name,
                "runs": len(one.runs),
                "revisions": " ".join(run.name for run in one.runs),
                "verdict": BEST if one is best else verdict(difference, p_one, level),
                "p": p_one,
                "mcnemar": mcnemar_one,
                "timm": one.settings["timm"],
                **costs(one),
                **reached,
            }
        )
    return pd.DataFrame(rows)


def difference_p(found: Scores, best: Scores, by: str) -> float | None:
    """The p of a difference being 0; None if no test set is shared."""
    difference = found.minus(best, by)
    return None if difference is None else difference.p


def costs(one: Configuration) -> dict[str, Any]:
    """What the network of a configuration costs."""
    classes = len(one.runs[0].classes)
    # The other was its name.
    side = one.settings["prepare.image_size"]
    return vars(cost(one.settings["timm"], classes, side))


def numbers(found: Scores, best: Scores | None) -> dict[str, float]:
    """All scores of a configuration and their differences against the best."""
    columns: dict[str, float] = {}
    for score in found.names:
        reached, each = found.estimate(score), found.runs(score)
        columns |= {
            score: reached.value,
            f"{score}_low": reached.low,
            f"{score}_high": reached.high,
        }
        columns[f"{score}_sd"] = float(each.std(ddof=1)) if len(each) > 1 else float("nan")
        difference = best and found.minus(best, score)
        for end, attribute in (("", "value"), ("_low", "low"), ("_high", "high")):
            columns[f"{score}_difference{end}"] = getattr(difference, attribute, float("nan"))
    return columns


def verdict(difference: float, p: float | None, level: float) -> str:
    """In words, whether the distance to the best is more than noise.

    Where the best has other test sets too, one that is ranked lower can be better on those that
    both have.
    """
    if p is None:
        return UNPAIRED
    return NOISE if p >= level else WORSE if difference < 0 else BETTER


def conclusion(table: pd.DataFrame, by: str) -> str:
    """What a ranked table shows, in a sentence or two."""
    best, score = table["name"].iloc[0], display_name(by)
    if len(table) == 1:
        return f"Only {best}: nothing to compare it with."
    found = {verdict: part["name"].tolist() for verdict, part in table.groupby("verdict")}
    parts = {
        WORSE: "better than {} by more than noise",
        BETTER: "worse than {} on the test images that both have",
        NOISE: "not told apart by these test images from {}",
        UNPAIRED: "tested on other images than {}",
    }
    said = [
        text.format("; ".join(found[verdict]))
        for verdict, text in parts.items()
        if verdict in found
    ]
    return f"The best by {score} is {best}: {', and '.join(said)}."
