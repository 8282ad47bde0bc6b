"""A pull request's comment: metrics, settings, data, audit and confusion of both sides."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from cxr.commands import revisions
from cxr.commands.markdown import estimate, table
from cxr.commands.paired import LOWER_IS_BETTER, Estimate, Scores
from cxr.commands.revisions import Run
from cxr.metrics import classification
from cxr.pipeline.tables import IMAGE_STATUS
from cxr.plotting.display_names import display_name

# By it, the workflow finds the comment that it wrote before.
MARKER = "<!-- cxr comment -->"
LIMIT = 65_000
"""Characters. GitHub takes 65,536; the rest is for what the workflow adds."""
LEFT_OUT = (
    "Too long for a comment: `dvc params diff`, `dvc metrics diff` and `dvc plots diff` show it."
)
FLOW = ("found", *IMAGE_STATUS)
LEAKS = ("patient", "split_group", "sha256", "near")

Sides = dict[str, Any]
"""A number as `dvc metrics diff` and `dvc params diff` give it: `old` and `new`."""
Diff = dict[str, dict[str, Sides]]
"""By file and key."""


def write(
    target: Run, change: Run, pair: list[Scores], metrics: Diff, params: dict[str, Sides]
) -> str:
    """The comment.

    Args:
        pair: what resampling says of the change and of the target.
        metrics: what `dvc metrics diff --all` says, by file.
        params: what `dvc params diff` says.
    """
    top = [
        MARKER,
        f"## What this does, against `{target.name}`",
        headline(target, change, pair, metrics.get("metrics/test.json", {})),
    ]
    sections = {
        "Settings": settings(target, change, params),
        "Data": data(metrics.get("metrics/split.json", {}), metrics.get("metrics/dedupe.json", {})),
        "Shortcut audit": audit(metrics.get("metrics/audit.json", {})),
        "Heatmaps": heatmaps(metrics.get("metrics/gradcam.json", {})),
        "Confusion of the test images": "\n\n".join(confusion(run) for run in (target, change)),
    }
    kept = fitted(sections, LIMIT - len("\n\n".join(top)))
    return "\n\n".join([*top, *(f"### {title}\n\n{text}" for title, text in kept.items())]) + "\n"


def fitted(sections: dict[str, str], room: int) -> dict[str, str]:
    """Leave out the longest sections, as many as do not fit into so many characters."""
    kept = dict(sections)
    for title in sorted(sections, key=lambda title: -len(sections[title])):
        if sum(len(f"\n\n### {title}\n\n{text}") for title, text in kept.items()) < room:
            break
        kept[title] = LEFT_OUT
    return kept


def headline(target: Run, change: Run, pair: list[Scores], metrics: dict[str, Sides]) -> str:
    """Each headline metric of both sides with its interval, and whether the change is real."""
    after, before = pair
    rows, judged = [], []
    for score in after.names:
        old = side(metrics, score, "old") or estimated(before, score)
        new = side(metrics, score, "new") or after.estimate(score)
        moved = after.minus(before, score)
        judged.append(by_overlap(old, new, score) if moved is None else verdict(moved, score))
        # Without pairs, the change has no interval.
        change_of = minus(old, new) if moved is None else shown(moved, "+")
        name = display_name(score) + (" (less is better)" if score in LOWER_IS_BETTER else "")
        rows.append([name, shown(old), shown(new), change_of, judged[-1]])
    return "\n\n".join(
        [
            summary(dict(zip(after.names, judged, strict=True))),
            table(["metric", f"`{target.name}`", "this change", "change", "verdict"], rows),
            judged_by(target, change, after),
            *measured_by(target, change),
        ]
    )


def summary(judged: dict[str, str]) -> str:
    """The verdicts in a line."""
    found = {
        kind: ", ".join(display_name(score) for score, one in judged.items() if one == kind)
        for kind in ("worse", "better", "undefined")
    }
    said = [f"{kind.capitalize()}: {names}." for kind, names in found.items() if names]
    if not found["worse"] and not found["better"]:
        said.insert(0, "No metric changed by more than noise.")
    return f"**{' '.join(said)}**"


def judged_by(target: Run, change: Run, after: Scores) -> str:
    """How the verdicts were found."""
    unlike = revisions.differences(change, target)
    if unlike:
        return (
            "**The test images differ**, so that the sides can't be paired: verdicts are by "
            "whether the intervals overlap, which sees large changes only. Of the images, "
            f"{unlike}."
        )
    return (
        f"Verdicts are by paired bootstrap over {after.groups['accuracy']} patients or groups, on "
        f"the same {len(change.test)} test images, at {after.confidence:.0%} for each metric. What "
        "another seed would change is not in it."
    )


def measured_by(target: Run, change: Run) -> list[str]:
    """What to know if the sides were measured by different code."""
    both = {**target.measures, **change.measures}
    unlike = [path for path in both if target.measures.get(path) != change.measures.get(path)]
    if not unlike:
        return []
    changed = ", ".join(f"`{path}`" for path in sorted(unlike))
    return [
        f"**The code that measures changed: {changed}.** The numbers of each side are those of its "
        "own code; changes and verdicts are by the code of this change, for both."
    ]


def side(metrics: dict[str, Sides], score: str, which: str) -> Estimate | None:
    """A metric of one side, `old` or `new`, as metrics/test.json has it; None if it does not."""
    keys = (score, f"interval.{score}.low", f"interval.{score}.high")
    value, low, high = (metrics.get(key, {}).get(which) for key in keys)
    if value is None or low is None or high is None:
        return None
    return Estimate(value, low, high, p=float("nan"))


def estimated(before: Scores, score: str) -> Estimate | None:
    """A metric that metrics/test.json does not hold, such as the sensitivity to one class."""
    return before.estimate(score) if score in before.names else None


def minus(old: Estimate | None, new: Estimate) -> str:
    """The change of a metric without an interval."""
    change = math.nan if old is None else new.value - old.value
    return "–" if math.isnan(change) else f"{change:+.3f}"


def shown(number: Estimate | None, sign: str = "") -> str:
    """A number with its interval, or a dash."""
    return "–" if number is None else estimate(number.value, number.low, number.high, sign)


def verdict(difference: Estimate, score: str) -> str:
    """better, worse or within noise, by whether the interval of the change holds 0.

    undefined where it has no interval, as where no image of a class was tested.
    """
    low, high = difference.low, difference.high
    if math.isnan(low) or math.isnan(high):
        return "undefined"
    if score in LOWER_IS_BETTER:
        low, high = -high, -low
    return "better" if low > 0 else "worse" if high < 0 else "within noise"


def by_overlap(old: Estimate | None, new: Estimate, score: str) -> str:
    """The same where the sides can't be paired, by whether their intervals overlap."""
    if old is None:
        return "–"
    apart = Estimate(new.value - old.value, new.low - old.high, new.high - old.low, float("nan"))
    return verdict(apart, score)


def settings(target: Run, change: Run, params: dict[str, Sides]) -> str:
    """The parameters that changed, and whether anything else did."""
    rows = [[f"`{key}`", value(sides, "old"), value(sides, "new")] for key, sides in params.items()]
    parts = [table(["key", f"`{target.name}`", "this change"], sorted(rows))] if rows else []
    if not rows:
        parts.append("No parameter changed.")
    if target.origin != change.origin:
        parts.append("The code or the inbox that predictions are made from changed.")
    return "\n\n".join(parts)


def value(sides: Sides, which: str) -> str:
    """A parameter or another value of one side."""
    found = sides.get(which)
    return "–" if found is None else f"`{found:g}`" if isinstance(found, float) else f"`{found}`"


def data(split: dict[str, Sides], dedupe: dict[str, Sides]) -> str:
    """How many images went where, and what was found about copies and leaks."""
    if not split:
        return "Neither side has metrics/split.json."
    counts = {f"{display_name(name)} images": split.get(f"flow.{name}") for name in FLOW}
    counts |= {
        "groups of duplicates": dedupe.get("groups"),
        "copies that are exact": dedupe.get("exact"),
        "copies that are near": dedupe.get("near"),
        **{f"leaks by {display_name(name)}": split.get(f"leaks.{name}") for name in LEAKS},
        "test images with a duplicate in train, if none were removed": split.get(
            "without_dedupe.with_duplicate_in_train"
        ),
    }
    known = {name: sides for name, sides in counts.items() if sides is not None}
    moved = {name: sides for name, sides in known.items() if sides.get("old") != sides.get("new")}
    if not moved:
        dealt = ", ".join(
            f"{split[f'flow.{name}']['new']} {display_name(name)}" for name in FLOW[-3:]
        )
        return f"{dealt} images, as before; no other count changed."
    rows = [
        [name, count(sides, "old"), count(sides, "new"), "changed" if name in moved else ""]
        for name, sides in known.items()
    ]
    return table(["", "before", "after", ""], rows)


def count(sides: Sides, which: str) -> str:
    """A count of one side."""
    return "–" if sides.get(which) is None else str(sides[which])


def audit(metrics: dict[str, Sides]) -> str:
    """How much of the classes each probe finds without the disease, and whether that got worse."""
    if not metrics:
        return "Neither side has metrics/audit.json."
    rows, worse = [], []
    probes = (key.removesuffix(".suspicious") for key in metrics if key.endswith(".suspicious"))
    for probe in sorted(probes):
        score, suspicious = (
            metrics.get(f"{probe}.{key}", {}) for key in ("balanced_accuracy", "suspicious")
        )
        if suspicious.get("new") and not suspicious.get("old"):
            worse.append(display_name(probe))
        rows.append(
            [display_name(probe), *(found(score, suspicious, which) for which in ("old", "new"))]
        )
    said = (
        f"**Worse: {', '.join(worse)} became suspicious.**"
        if worse
        else "No probe became suspicious."
    )
    return "\n\n".join([said, table(["probe's balanced accuracy", "before", "after"], rows)])


def found(score: Sides, suspicious: Sides, which: str) -> str:
    """What a probe found on one side."""
    if score.get(which) is None:
        return "–"
    return f"{score[which]:.3f}{' suspicious' if suspicious.get(which) else ''}"


def heatmaps(metrics: dict[str, Sides]) -> str:
    """The numbers of the test images' heatmaps, and how they were made."""
    of_test = sorted(key for key in metrics if key.startswith("test.") and key.count(".") == 1)
    made = [key for key in metrics if key in ("layer", "method")]
    rows = [
        [
            display_name(key.removeprefix("test.")),
            *(value(metrics[key], which) for which in ("old", "new")),
        ]
        for key in (*sorted(made), *of_test)
    ]
    return table(["test images", "before", "after"], rows)


def confusion(run: Run) -> str:
    """A side's confusion matrix, folded away."""
    counts = classification.confusion_matrices(
        run.actual, run.probabilities.argmax(1), len(run.classes)
    )[0]
    rows = [
        [f"**{name}**", *(f"{number:.0f}" for number in row), f"{row.sum():.0f}"]
        for name, row in zip(run.classes, counts, strict=True)
    ]
    matrix = table(["actual \\ predicted", *run.classes, "all"], rows)
    told = np.trace(counts) / counts.sum()
    return (
        f"<details><summary><code>{run.name}</code>: {told:.1%} of {counts.sum():.0f} told right"
        f"</summary>\n\n{matrix}\n\n</details>"
    )


def pictures(folder: Path) -> str:
    """Where the pictures of both sides lie."""
    return f"\nPictures of both sides, heatmaps among them, lie in `{folder.as_posix()}`.\n"
