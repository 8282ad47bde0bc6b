"""The sections of a pull request's comment: metrics, settings, data, audit, heatmaps, errors."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from cxr.commands.markdown import format_estimate, markdown_table
from cxr.commands.paired import LOWER_IS_BETTER, ConfigurationScores, Estimate
from cxr.commands.revisions import Run, describe_test_differences
from cxr.metrics.classification import confusion_matrices
from cxr.pipeline.tables import IMAGE_STATUS
from cxr.plotting.display_names import PROBE_NAMES, display_name

MARKER = "<!-- cxr comment -->"
"""The workflow finds its earlier comment by this line."""
MAX_LENGTH = 65_000
"""Characters. GitHub accepts 65,536; the workflow adds a few."""
TOO_LONG = "Too long for a comment: see `dvc params diff`, `dvc metrics diff` and `dvc plots diff`."
FLOW = ("found", *IMAGE_STATUS)
LEAKS = ("patient", "split_group", "sha256", "near")

Change = dict[str, Any]
"""A value in both revisions, as `dvc metrics diff` and `dvc params diff` give it: `old`, `new`."""
Changes = dict[str, Change]
"""Changes by dotted key."""


def write_comment(
    target: Run,
    change: Run,
    scores: tuple[ConfigurationScores, ConfigurationScores],
    metrics: dict[str, Changes],
    params: Changes,
) -> str:
    """The comment as markdown.

    Args:
        target: the revision to compare with.
        change: the workspace.
        scores: of the change and of the target, on the same resamples.
        metrics: by file, from `dvc metrics diff --all`.
        params: from `dvc params diff`.
    """
    top = [
        MARKER,
        f"## Results of this change, compared with `{target.name}`",
        headline_section(target, change, scores, metrics.get("metrics/test.json", {})),
    ]
    sections = {
        "Settings": settings_section(target, change, params),
        "Data": data_section(
            metrics.get("metrics/split.json", {}), metrics.get("metrics/dedupe.json", {})
        ),
        "Shortcut audit": audit_section(metrics.get("metrics/audit.json", {})),
        "Heatmaps": heatmap_section(metrics.get("metrics/gradcam.json", {})),
        "Confusion matrices of the test images": "\n\n".join(
            confusion_section(run) for run in (target, change)
        ),
    }
    kept = shorten(sections, MAX_LENGTH - len("\n\n".join(top)))
    return "\n\n".join([*top, *(f"### {title}\n\n{text}" for title, text in kept.items())]) + "\n"


def shorten(sections: dict[str, str], max_length: int) -> dict[str, str]:
    """Replace the longest sections by a note, until the rest fits."""
    kept = dict(sections)
    for title in sorted(sections, key=lambda title: -len(sections[title])):
        if sum(len(f"\n\n### {title}\n\n{text}") for title, text in kept.items()) < max_length:
            break
        kept[title] = TOO_LONG
    return kept


def headline_section(
    target: Run,
    change: Run,
    scores: tuple[ConfigurationScores, ConfigurationScores],
    metrics: Changes,
) -> str:
    """Each headline score in both revisions with its interval, and whether it changed."""
    after, before = scores
    rows, results = [], {}
    for score in after.names:
        old = file_estimate(metrics, score, "old") or computed_estimate(before, score)
        new = file_estimate(metrics, score, "new") or after.estimate(score)
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
        f"Paired bootstrap over {after.groups['accuracy']} patients or groups, on the same "
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
        f"**The evaluation code changed: {', '.join(changed)}.** The values of each revision come "
        "from its own code; changes and results are computed by the new code for both."
    ]


def file_estimate(metrics: Changes, score: str, side: str) -> Estimate | None:
    """A score from metrics/test.json; None if the file does not have it.

    Args:
        side: old or new.
    """
    keys = (score, f"interval.{score}.low", f"interval.{score}.high")
    value, low, high = (metrics.get(key, {}).get(side) for key in keys)
    if value is None or low is None or high is None:
        return None
    return Estimate(value, low, high, p=math.nan)


def computed_estimate(scores: ConfigurationScores, score: str) -> Estimate | None:
    """A score that metrics/test.json does not have, such as the sensitivity to one class."""
    return scores.estimate(score) if score in scores.names else None


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


def settings_section(target: Run, change: Run, params: Changes) -> str:
    """The parameters that changed, and whether code or inbox changed."""
    rows = [
        [f"`{key}`", format_value(values, "old"), format_value(values, "new")]
        for key, values in params.items()
    ]
    header = ["parameter", f"`{target.name}`", "this change"]
    parts = [markdown_table(header, sorted(rows)) if rows else "No parameter changed."]
    if target.source_hash != change.source_hash:
        parts.append("The training code or the inbox changed.")
    return "\n\n".join(parts)


def format_value(change: Change, side: str) -> str:
    """One side of a change, as code."""
    value = change.get(side)
    return "–" if value is None else f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def data_section(split: Changes, dedupe: Changes) -> str:
    """The number of images by status, of duplicates and of leaks."""
    if not split:
        return "metrics/split.json is missing in both revisions."
    counts = {f"{display_name(status)} images": split.get(f"flow.{status}") for status in FLOW}
    counts |= {
        "groups of duplicates": dedupe.get("groups"),
        "exact duplicates": dedupe.get("exact"),
        "near duplicates": dedupe.get("near"),
        **{f"leaks by {display_name(leak)}": split.get(f"leaks.{leak}") for leak in LEAKS},
        "test images with a duplicate in train, if none were removed": split.get(
            "without_dedupe.with_duplicate_in_train"
        ),
    }
    known = {name: change for name, change in counts.items() if change is not None}
    changed = [name for name, change in known.items() if change.get("old") != change.get("new")]
    if not changed:
        sizes = ", ".join(
            f"{split[f'flow.{name}']['new']} {display_name(name)}" for name in FLOW[-3:]
        )
        return f"No count changed: {sizes} images."
    rows = [
        [
            name,
            format_count(change, "old"),
            format_count(change, "new"),
            "changed" if name in changed else "",
        ]
        for name, change in known.items()
    ]
    return markdown_table(["", "before", "after", ""], rows)


def format_count(change: Change, side: str) -> str:
    """One side of a changed count."""
    return "–" if change.get(side) is None else str(change[side])


def audit_section(metrics: Changes) -> str:
    """The balanced accuracy of each probe, and whether a probe became suspicious."""
    if not metrics:
        return "metrics/audit.json is missing in both revisions."
    rows, newly_suspicious = [], []
    for probe, name in PROBE_NAMES.items():
        score, suspicious = (
            metrics.get(f"{probe}.{key}", {}) for key in ("balanced_accuracy", "suspicious")
        )
        if suspicious.get("new") and not suspicious.get("old"):
            newly_suspicious.append(name)
        cells = [format_probe(score, suspicious, side) for side in ("old", "new")]
        rows.append([name, *cells])
    summary = (
        f"**Worse: {', '.join(newly_suspicious)} became suspicious.**"
        if newly_suspicious
        else "No probe became suspicious."
    )
    return "\n\n".join(
        [summary, markdown_table(["balanced accuracy of the probe", "before", "after"], rows)]
    )


def format_probe(score: Change, suspicious: Change, side: str) -> str:
    """The result of a probe in one revision."""
    if score.get(side) is None:
        return "–"
    return f"{score[side]:.3f}{' (suspicious)' if suspicious.get(side) else ''}"


def heatmap_section(metrics: Changes) -> str:
    """The heatmap measures of the test images, and the method."""
    measures = sorted(key for key in metrics if key.startswith("test.") and key.count(".") == 1)
    method = sorted(key for key in metrics if key in ("layer", "method"))
    rows = [
        [
            display_name(key.removeprefix("test.")),
            *(format_value(metrics[key], side) for side in ("old", "new")),
        ]
        for key in (*method, *measures)
    ]
    return markdown_table(["test images", "before", "after"], rows)


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
