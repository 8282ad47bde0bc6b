"""A board as a table: scores with intervals, differences against the best, costs, verdicts."""

from typing import Any

import pandas as pd

from stages import paired
from stages.compare.boards import Board, Configuration
from stages.compare.cost import cost
from stages.markdown import words
from stages.paired import Scores
from stages.params import Evaluate

BEST, WORSE, NOISE, UNPAIRED = "best", "worse", "within noise", "not paired"
BETTER = "better where both were tested"


def leaderboard(board: Board, by: str, settings: Evaluate) -> pd.DataFrame:
    """Rank a board's configurations.

    Args:
        by: the score to rank by and to judge differences with.

    Returns:
        a row for each configuration, the best first: `data`, `name`, `runs` and `revisions`;
        `verdict`, `p` (Holm), `mcnemar` (Holm) of the comparison with the best; what it costs
        (`parameters`, `megabytes`, `multiply_adds`); and for each score `<score>`, its interval
        `<score>_low` and `<score>_high`, its standard deviation over runs `<score>_sd`; and
        `<score>_difference` against the best, with its ends. None where there is nothing to say.
    """
    scored = paired.resample([one.runs for one in board.configurations], settings)
    ranked = sorted(
        zip(board.configurations, scored, strict=True),
        key=lambda pair: (-pair[1].estimate(by).value, pair[0].name),
    )
    best, best_scores = ranked[0]
    rows = [
        {
            "data": board.title,
            "name": one.name,
            "runs": len(one.runs),
            "revisions": " ".join(run.name for run in one.runs),
            "p": None if one is best else difference_p(found, best_scores, by),
            "mcnemar": None if one is best else paired.mcnemar(one.runs, best.runs),
            **costs(one),
            **numbers(found, None if one is best else best_scores),
        }
        for one, found in ranked
    ]
    table = pd.DataFrame(rows)
    for column in ("p", "mcnemar"):
        table[column] = paired.holm([None if pd.isna(p) else p for p in table[column]])
    table.insert(4, "verdict", verdicts(table, by, 1 - settings.confidence))
    return table


def difference_p(found: Scores, best: Scores, by: str) -> float | None:
    """The p of a difference being 0; None if no test set is shared."""
    difference = found.minus(best, by)
    return None if difference is None else difference.p


def costs(one: Configuration) -> dict[str, Any]:
    """What the network of a configuration costs."""
    classes = len(one.runs[0].classes)
    # The other was its name.
    side = one.settings["prepare.side" if "prepare.side" in one.settings else "prepare.size"]
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


def verdicts(table: pd.DataFrame, by: str, level: float) -> list[str]:
    """In words, of ranked configurations, whether the distance to the first is more than noise.

    Where the first has other test sets too, one that is ranked lower can be better on those that
    both have.
    """
    said = [
        UNPAIRED if pd.isna(p) else NOISE if p >= level else WORSE if difference < 0 else BETTER
        for p, difference in zip(table["p"], table[f"{by}_difference"], strict=True)
    ]
    return [BEST, *said[1:]]


def conclusion(table: pd.DataFrame, by: str) -> str:
    """What a ranked table shows, in a sentence or two."""
    best, score = table["name"].iloc[0], words(by)
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
