"""`cxr comment`: compare the workspace with another revision, as a comment for a pull request."""

from pathlib import Path

from cxr.commands.comment.sections import (
    headline_section,
    plots_note,
    settings_section,
    unpaired_section,
    write_comment,
)
from cxr.commands.paired import score_configurations
from cxr.commands.revision_files import WORKSPACE, MissingOutput, RevisionFiles, open_repo
from cxr.commands.revisions import EVALUATION_STAGES, hash_sources, read_lock, read_run
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import atomic_write, file_name
from cxr.pipeline.params import load

PLOTS = (
    "plots/evaluate/confusion.png",
    "plots/evaluate/reliability.png",
    "plots/evaluate/audit.png",
    "plots/evaluate/learning_curves.png",
)


def comment(against: str, out: Path | None, plots: Path | None, project: Path) -> None:
    """Print the comment; write it to a file and copy plots to a folder, if these are given.

    Args:
        against: the revision that the workspace is compared with.
        project: the folder of params.yaml.

    Raises:
        UserError: if there is no such revision, or the workspace is not reproduced.
    """
    settings = load(project / "params.yaml").evaluate
    if against == WORKSPACE:
        raise UserError("--against: give a commit, branch, tag or experiment, not the workspace.")
    # First, as it raises a UserError if there is no such revision.
    target_files = RevisionFiles(against)
    change = read_run(WORKSPACE, EVALUATION_STAGES)
    with open_repo() as repo:
        metrics = repo.metrics.diff(a_rev=against, all=True).get("diff", {})
        params = repo.params.diff(a_rev=against).get("diff", {}).get("params.yaml", {})
    try:
        target = read_run(against, EVALUATION_STAGES)
    except MissingOutput:
        headline = unpaired_section(against, metrics.get("metrics/test.json", {}))
        runs = [change]
        sources = hash_sources(read_lock(target_files))
    else:
        after, before = score_configurations([[change], [target]], settings)
        headline = headline_section(target, change, (after, before))
        runs = [target, change]
        sources = target.source_hash
    settings_text = settings_section(params, same_sources=sources == change.source_hash)
    text = write_comment(against, headline, metrics, settings_text, runs)
    if plots is not None:
        heatmaps = [f"plots/gradcam/{file_name(name)}.png" for name in change.classes]
        copy_plots(plots, against, [*heatmaps, *PLOTS])
        text += plots_note(plots)
    print(text, end="")
    if out is not None:
        with atomic_write(out) as part:
            part.write_text(text, encoding="utf-8")


def copy_plots(folder: Path, against: str, paths: list[str]) -> None:
    """Copy the plots of both revisions, if they are available."""
    for side, name in (("target", against), ("change", WORKSPACE)):
        files = RevisionFiles(name)
        for path in paths:
            try:
                content = files.bytes(path)
            except MissingOutput:
                continue
            if content is not None:
                with atomic_write(folder / f"{side}-{Path(path).name}") as part:
                    part.write_bytes(content)
