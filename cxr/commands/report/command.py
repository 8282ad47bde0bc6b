"""report: what a change does to every number, as the comment of its pull request.

Compares the files as they are with another revision; both must have been reproduced.
"""

import argparse
from pathlib import Path

from cxr.commands import paired, revisions
from cxr.commands.report import comment
from cxr.commands.revisions import MEASURED_BY, WORKSPACE, Files
from cxr.pipeline import cli
from cxr.pipeline.cli import UserError
from cxr.pipeline.files import file_name, whole
from cxr.pipeline.params import load

PICTURES = (
    "plots/evaluate/confusion.png",
    "plots/evaluate/reliability.png",
    "plots/evaluate/audit.png",
    "plots/train/learning_curves.png",
)


def main() -> None:
    options = arguments()
    settings = load(Path("params.yaml")).evaluate
    if options.against == WORKSPACE:
        raise UserError("--against: name a commit, branch, tag or experiment.")
    target, change = (revisions.read(name, MEASURED_BY) for name in (options.against, WORKSPACE))
    with revisions.repository() as repo:
        metrics = repo.metrics.diff(a_rev=options.against, all=True).get("diff", {})
        params = repo.params.diff(a_rev=options.against).get("diff", {}).get("params.yaml", {})
    pair = paired.resample([[change], [target]], settings)
    text = comment.write(target, change, pair, metrics, params)
    if options.images is not None:
        sheets = [f"plots/gradcam/{file_name(name)}.png" for name in change.classes]
        copy_pictures(options.images, options.against, [*sheets, *PICTURES])
        text += comment.pictures(options.images)
    print(text, end="")
    if options.out is not None:
        with whole(options.out) as part:
            part.write_text(text, encoding="utf-8")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="cxr report", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--against", required=True, metavar="REV", help="a commit, branch, tag or experiment"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write it there")
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER", help="copy the pictures of both sides there"
    )
    return parser.parse_args()


def copy_pictures(folder: Path, against: str, paths: list[str]) -> None:
    """Copy the pictures of both sides, those that there are."""
    for side, name in (("target", against), ("change", WORKSPACE)):
        files = Files(name)
        for path in paths:
            content = files.bytes(path)
            if content is not None:
                with whole(folder / f"{side}-{Path(path).name}") as part:
                    part.write_bytes(content)


if __name__ == "__main__":
    cli.run(main)
