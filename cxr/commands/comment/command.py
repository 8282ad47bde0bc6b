"""`cxr comment`: compare the workspace with another revision, as a comment for a pull request."""

from pathlib import Path

from cxr.commands.comment.sections import plots_note, write_comment
from cxr.commands.paired import score_configurations
from cxr.commands.revisions import (
    EVALUATION_STAGES,
    WORKSPACE,
    RevisionFiles,
    open_repo,
    read_run,
)
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
        UserError: if there is no such revision, or one of the two is not reproduced.
    """
    settings = load(project / "params.yaml").evaluate
    if against == WORKSPACE:
        raise UserError("--against: give a commit, branch, tag or experiment, not the workspace.")
    target, change = (read_run(name, EVALUATION_STAGES) for name in (against, WORKSPACE))
    with open_repo() as repo:
        metrics = repo.metrics.diff(a_rev=against, all=True).get("diff", {})
        params = repo.params.diff(a_rev=against).get("diff", {}).get("params.yaml", {})
    after, before = score_configurations([[change], [target]], settings)
    text = write_comment(target, change, (after, before), metrics, params)
    if plots is not None:
        heatmaps = [f"plots/gradcam/{file_name(name)}.png" for name in change.classes]
        copy_plots(plots, against, [*heatmaps, *PLOTS])
        text += plots_note(plots)
    print(text, end="")
    if out is not None:
        with atomic_write(out) as part:
            part.write_text(text, encoding="utf-8")


def copy_plots(folder: Path, against: str, paths: list[str]) -> None:
    """Copy the plots of both revisions, as far as they exist."""
    for side, name in (("target", against), ("change", WORKSPACE)):
        files = RevisionFiles(name)
        for path in paths:
            content = files.bytes(path)
            if content is not None:
                with atomic_write(folder / f"{side}-{Path(path).name}") as part:
                    part.write_bytes(content)
