"""The sections of a pull request's comment: metrics, settings, data, audit, heatmaps, errors."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cxr.commands.markdown import format_estimate, markdown_table
from cxr.commands.paired import LOWER_IS_BETTER, ConfigurationScores, Estimate
from cxr.commands.revisions import Run, describe_test_differences
from cxr.metrics.classification import confusion_matrices
from cxr.plotting.display_names import display_name

MARKER = "<!-- cxr comment -->"
"""The workflow finds its earlier comment by this line."""
MAX_LENGTH = 65_000
"""Characters. GitHub accepts 65,536; the workflow adds a few."""
TOO_LONG = "Too long for a comment: see `dvc params diff`, `dvc metrics diff` and `dvc plots diff`."
FILES = {
    "Data": "metrics/data.json",
    "Shortcut audit": "metrics/audit.json",
    "Heatmaps": "metrics/gradcam.json",
}
"""The metrics files of the sections after the headline."""

Change = dict[str, Any]
"""A value in both revisions, as `dvc metrics diff` and `dvc params diff` give it: `old`, `new`."""
Changes = dict[str, Change]
"""Changes by dotted key."""


def write_comment(
    against: str, headline: str, metrics: dict[str, Changes], params: str, runs: Sequence[Run]
) -> str:
    """The comment as markdown.

    Args:
        against: the revision to compare with.
        headline: from `headline_section` or `unpaired_section`.
        metrics: by file, from `dvc metrics diff --all`.
        params: from `settings_section`.
        runs: those whose confusion matrices are shown.
    """
    top = [MARKER, f"## Results of this change, compared with `{against}`", headline]
    sections = {
        "Settings": params,
        **{title: metrics_section(metrics.get(path, {})) for title, path in FILES.items()},
        "Confusion matrices of the test images": "\n\n".join(map(confusion_section, runs)),
    }
    kept = shorten(sections, MAX_LENGTH - len("\n\n".join(top)))
    parts = [f"### {title}\n\n{text}" for title, text in kept.items() if text]
    return "\n\n".join([*top, *parts]) + "\n"


def shorten(sections: dict[str, str], max_length: int) -> dict[str, str]:
    """Replace the longest sections by a note, until the rest fits."""
    kept = dict(sections)
    for title in sorted(sections, key=lambda title: -len(sections[title])):
        if sum(len(f"\n\n### {title}\n\n{text}") for title, text in kept.items()) < max_length:
            break
        kept[title] = TOO_LONG
    return kept


def headline_section(
    target: Run, change: Run, scores: tuple[ConfigurationScores, ConfigurationScores]
) -> str:
    """Each headline score in both revisions with its interval, and whether it changed.

    Args:
        target: the revision to compare with.
        change: the workspace.
        scores: of the change and of the target, on the same resamples.
    """
    after, before = scores
    rows, results = [], {}
    for score in after.names:
        old = before.estimate(score) if score in before.names else None
        new = after.estimate(score)
        difference = after.difference(before, score)
        if difference is None:
            results[score] = classify_unpaired(old, new, score)
            # There is no interval without pairs.
            shown = format_change(old, new)
        else:
            results[score] = classify_change(difference, score)
            shown = format_or_dash(difference, "+")
        name = display_name(score) + (" (lower is better)" if score in LOWER_IS_BETTER else "")
        rows.append([name, format_or_dash(old), format_or_dash(new), shown, results[score]])
    return "\n\n".join(
        [
            summary_line(results),
            markdown_table(["metric", f"`{target.name}`", "this change", "change", "result"], rows),
            method_note(target, change, after),
            *evaluation_code_note(target, change),
        ]
    )


def unpaired_section(against: str, metrics: Changes) -> str:
    """The headline scores of both revisions from git, if the old predictions are missing."""
    return "\n\n".join(
        [
            metrics_section(metrics),
            f"The predictions of `{against}` are neither in DVC's cache nor in a remote, so these "
            "are the committed metrics, without a paired test: small differences may be due to "
            "chance.",
        ]
    )


def summary_line(results: dict[str, str]) -> str:
    """The results in one line, the worst first."""
    names = {
        kind: ", ".join(display_name(score) for score, result in results.items() if result == kind)
        for kind in ("worse", "better", "undefined")
    }
    parts = [f"{kind.capitalize()}: {scores}." for kind, scores in names.items() if scores]
    if not names["worse"] and not names["better"]:
        parts.insert(0, "No metric changed significantly.")
    return f"**{' '.join(parts)}**"


def method_note(target: Run, change: Run, after: ConfigurationScores) -> str:
    """How the results were obtained."""
    differences = describe_test_differences(change, target)
    if differences:
        return (
            "**The test images differ**, so the revisions cannot be compared in pairs. A result is "
            "better or worse only if the intervals do not overlap, which detects large changes "
            f"only. Images: {differences}."
        )
    return (
        f"Paired bootstrap over {after.groups['accuracy']} patients or single images, on the same "
        f"{len(change.test)} test images, at {after.confidence:.0%} confidence for each metric. "
        "The variation between seeds is not included."
    )


def evaluation_code_note(target: Run, change: Run) -> list[str]:
    """A note if the revisions were evaluated by different code; empty if not."""
    paths = {**target.evaluation_code, **change.evaluation_code}
    changed = [
        f"`{path}`"
        for path in sorted(paths)
        if target.evaluation_code.get(path) != change.evaluation_code.get(path)
    ]
    if not changed:
        return []
    return [
        f"**The evaluation code changed: {', '.join(changed)}.** The scores of both revisions are "
        "computed by the new code, from their predictions."
    ]


def format_change(old: Estimate | None, new: Estimate) -> str:
    """The difference of two scores without an interval."""
    change = math.nan if old is None else new.value - old.value
    return "–" if math.isnan(change) else f"{change:+.3f}"


def format_or_dash(estimate: Estimate | None, sign: str = "") -> str:
    """A number with its interval, or a dash."""
    if estimate is None:
        return "–"
    return format_estimate(estimate.value, estimate.low, estimate.high, sign)


def classify_change(difference: Estimate, score: str) -> str:
    """Whether a change is better, worse, or not significant; undefined without an interval."""
    low, high = difference.low, difference.high
    if math.isnan(low) or math.isnan(high):
        return "undefined"
    if score in LOWER_IS_BETTER:
        low, high = -high, -low
    return "better" if low > 0 else "worse" if high < 0 else "not significant"


def classify_unpaired(old: Estimate | None, new: Estimate, score: str) -> str:
    """The same for two unpaired scores, by whether their intervals overlap."""
    if old is None:
        return "–"
    gap = Estimate(new.value - old.value, new.low - old.high, new.high - old.low, math.nan)
    return classify_change(gap, score)


def settings_section(params: Changes, same_sources: bool) -> str:
    """The parameters that changed, and whether code or inbox changed.

    Args:
        params: from `dvc params diff`.
    """
    rows = [
        [f"`{key}`", format_value(values, "old"), format_value(values, "new")]
        for key, values in params.items()
    ]
    header = ["parameter", "before", "after"]
    parts = [markdown_table(header, sorted(rows)) if rows else "No parameter changed."]
    if not same_sources:
        parts.append("The training code or the inbox changed.")
    return "\n\n".join(parts)


def format_value(change: Change, side: str) -> str:
    """One side of a change, as code."""
    value = change.get(side)
    return "–" if value is None else f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def metrics_section(metrics: Changes) -> str:
    """The numbers of a metrics file in both revisions, or those of both if none changed.

    Args:
        metrics: from `dvc metrics diff --all`.
    """
    if not metrics:
        return "The file is missing in both revisions."
    # DVC returns them in arbitrary order.
    metrics = dict(sorted(metrics.items()))
    if all(change.get("old") == change.get("new") for change in metrics.values()):
        values = (
            f"{display_name(key)} {format_number(change, 'new')}" for key, change in metrics.items()
        )
        return f"No number changed: {', '.join(values)}."
    rows = [
        [
            display_name(key),
            format_number(change, "old"),
            format_number(change, "new"),
            "" if change.get("old") == change.get("new") else "changed",
        ]
        for key, change in metrics.items()
    ]
    return markdown_table(["", "before", "after", ""], rows)


def format_number(change: Change, side: str) -> str:
    """One side of a change of a metric."""
    value = change.get(side)
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def confusion_section(run: Run) -> str:
    """The confusion matrix of a revision, collapsed."""
    counts = confusion_matrices(run.actual, run.probs.argmax(1), len(run.classes))[0]
    rows = [
        [f"**{name}**", *(f"{number:.0f}" for number in row), f"{row.sum():.0f}"]
        for name, row in zip(run.classes, counts, strict=True)
    ]
    matrix = markdown_table(["actual \\ predicted", *run.classes, "all"], rows)
    accuracy = np.trace(counts) / counts.sum()
    return (
        f"<details><summary><code>{run.name}</code>: {accuracy:.1%} of {counts.sum():.0f} correct"
        f"</summary>\n\n{matrix}\n\n</details>"
    )


def plots_note(folder: Path) -> str:
    """Where the plots of both revisions are."""
    return f"\nThe plots of both revisions, with heatmaps, are in `{folder.as_posix()}`.\n"
