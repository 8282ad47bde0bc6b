"""What a change does to every number, as the comment of its pull request."""

from pathlib import Path

from cxr.commands import paired, revisions
from cxr.commands.comment import sections
from cxr.commands.revisions import MEASURED_BY, WORKSPACE, Files
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import atomic_write, file_name
from cxr.pipeline.params import load

PICTURES = (
    "plots/evaluate/confusion.png",
    "plots/evaluate/reliability.png",
    "plots/evaluate/audit.png",
    "plots/evaluate/learning_curves.png",
)


def comment(against: str, out: Path | None, images: Path | None, project: Path) -> None:
    """Print the comment; also write it, and copy the pictures, if there is a place to write to.

    Args:
        against: the revision that the files as they are are compared with.
        project: the folder of params.yaml.

    Raises:
        UserError: if it is no revision, or one of the two was not reproduced.
    """
    settings = load(project / "params.yaml").evaluate
    if against == WORKSPACE:
        raise UserError("--against: name a commit, branch, tag or experiment.")
    target, change = (revisions.read(name, MEASURED_BY) for name in (against, WORKSPACE))
    with revisions.repository() as repo:
        metrics = repo.metrics.diff(a_rev=against, all=True).get("diff", {})
        params = repo.params.diff(a_rev=against).get("diff", {}).get("params.yaml", {})
    pair = paired.resample([[change], [target]], settings)
    text = sections.write(target, change, pair, metrics, params)
    if images is not None:
        sheets = [f"plots/gradcam/{file_name(name)}.png" for name in change.classes]
        copy_pictures(images, against, [*sheets, *PICTURES])
        text += sections.pictures(images)
    print(text, end="")
    if out is not None:
        with atomic_write(out) as part:
            part.write_text(text, encoding="utf-8")


def copy_pictures(folder: Path, against: str, paths: list[str]) -> None:
    """Copy the pictures of both sides, those that there are."""
    for side, name in (("target", against), ("change", WORKSPACE)):
        files = Files(name)
        for path in paths:
            content = files.bytes(path)
            if content is not None:
                with atomic_write(folder / f"{side}-{Path(path).name}") as part:
                    part.write_bytes(content)
