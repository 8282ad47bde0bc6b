"""Refuse settings that can't work before DVC removes the output of any stage.

DVC deletes a stage's outputs before it runs the stage, so a mistake in params.yaml is caught
here, first in the DAG. The output is the same whatever the settings, so that nothing downstream
runs again because of it. DVC caches it: settings that passed before pass again, wherever they are
run. What depends on the place is therefore looked at where it is used, too (`check_place`).
"""

from cxr.pipeline.environment import configure

configure()

from pathlib import Path

from cxr.pipeline import cli
from cxr.pipeline.cli import UserError
from cxr.pipeline.datasets import needs_inbox, parts
from cxr.pipeline.experiment import check_place
from cxr.pipeline.files import whole
from cxr.pipeline.params import Params, load


def main() -> None:
    files = cli.paths(__doc__, "params", "checked")
    params = load(files.params)
    check_folder("inbox", params.inbox, used=needs_inbox(parts(params)))
    check_folder("gradcam.novel", params.gradcam.novel)
    check_weights(params)
    with whole(files.checked) as part:
        part.write_text("ok\n", encoding="utf-8")


def check_folder(key: str, path: str, used: bool = True) -> None:
    """Refuse a folder that is not there."""
    check_place(key, path, used)
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


if __name__ == "__main__":
    cli.run(main)
