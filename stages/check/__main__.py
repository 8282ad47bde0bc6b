"""Refuse settings that can't work before DVC removes the output of any stage.

DVC deletes a stage's outputs before it runs the stage, so a mistake in params.yaml is caught
here, first in the DAG. The output is the same whatever the settings, so that nothing downstream
runs again because of it; it is not cached, so that a queued experiment, which runs in a
temporary directory, is checked there.
"""

from pathlib import Path

from stages import command
from stages.command import UserError
from stages.download.datasets import parts
from stages.files import whole
from stages.params import Params, load
from stages.queue import queued_in


def main() -> None:
    files = command.paths(__doc__, "params", "checked")
    params = load(files.params)
    parts(params)
    check_folder("inbox", params.inbox)
    check_folder("gradcam.novel", params.gradcam.novel)
    check_weights(params)
    with whole(files.checked) as part:
        part.write_text("ok\n", encoding="utf-8")


def check_folder(key: str, path: str) -> None:
    """Refuse a folder that is not there."""
    check_place(key, path)
    if not Path(path).is_dir():
        raise UserError(f"params.yaml: {key}: there is no folder '{path}'.")


def check_weights(params: Params) -> None:
    """Refuse a file of weights that is not there."""
    weights = params.train.weights
    if weights in ("scratch", "imagenet"):
        return
    check_place("train.weights", weights)
    if not Path(weights).is_file():
        raise UserError(
            f"params.yaml: train.weights: there is no file '{weights}'. "
            "Write scratch, imagenet or the path of a .safetensors or .pth file."
        )


def check_place(key: str, path: str) -> None:
    """Refuse a relative path that leaves the repository of an experiment run elsewhere."""
    here, repository = Path.cwd(), queued_in()
    leaves = not (here / path).resolve().is_relative_to(here)
    if repository and leaves and not Path(path).is_absolute():
        raise UserError(
            f"params.yaml: {key}: '{path}' leaves the repository, but this experiment runs in a "
            "temporary directory, where that is another place. "
            f"Write -S {key}={(repository / path).resolve()}"
        )


if __name__ == "__main__":
    command.run(main)
