"""Check the settings before DVC removes the outputs of any stage.

DVC deletes a stage's outputs before it runs the stage, so mistakes in params.yaml are reported
here, in the first stage of the DAG. The output does not depend on the settings, so that it never
makes other stages run again. DVC caches it, so that settings that passed once are not checked
again, even in another place: what depends on the place is checked again where it is used
(`check_path_in_experiment`).
"""

from cxr.pipeline.environment import configure

configure()

from pathlib import Path

from cxr.datasets.names import needs_inbox, parts
from cxr.pipeline import cli
from cxr.pipeline.errors import UserError
from cxr.pipeline.experiment import check_complete_history, check_path_in_experiment
from cxr.pipeline.files import atomic_write
from cxr.pipeline.params import Params, load


def main() -> None:
    files = cli.paths(__doc__, "params", "checked")
    check_complete_history()
    params = load(files.params)
    check_folder("inbox", params.inbox, used=needs_inbox(parts(params)))
    check_folder("gradcam.novel", params.gradcam.novel)
    check_weights(params)
    with atomic_write(files.checked) as part:
        part.write_text("ok\n", encoding="utf-8")


def check_folder(key: str, path: str, used: bool = True) -> None:
    """Raise a UserError if a folder does not exist."""
    check_path_in_experiment(key, path, used)
    if not Path(path).is_dir():
        raise UserError(f"params.yaml: {key}: there is no folder '{path}'.")


def check_weights(params: Params) -> None:
    """Raise a UserError if the file with the initial weights does not exist."""
    key, weights = f"recipes.{params.recipe}.weights", params.recipes[params.recipe].weights
    if weights in ("scratch", "imagenet") or weights.startswith("hf-hub:"):
        return
    check_path_in_experiment(key, weights)
    if not Path(weights).is_file():
        raise UserError(
            f"params.yaml: {key}: there is no file '{weights}'. "
            "Write scratch, imagenet, hf-hub:owner/name or the path of a .safetensors or .pth file."
        )


if __name__ == "__main__":
    cli.run(main)
