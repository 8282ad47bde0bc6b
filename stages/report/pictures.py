"""The pictures of the stages before, to stand inside the page."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from cxr.pipeline.errors import UserError
from cxr.pipeline.files import file_name


@dataclass(frozen=True)
class Picture:
    """An image as a `data:` address, with its size in pixels."""

    address: str
    width: int
    height: int


def embed(path: Path, sheet: bool = False) -> Picture:
    """Read a picture, and keep its size in pixels.

    Args:
        sheet: of X-rays, which WebP makes a sixth of PNG's bytes at its quality of 90, without a
            difference that can be seen; a drawing stays the same to the last pixel.

    Raises:
        UserError: if it is not there, or is no picture.
    """
    try:
        with Image.open(path) as image:
            opaque = image.convert("RGB")
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: `dvc repro` writes it.") from error
    except OSError as error:
        raise UserError(f"{path} is no picture: remove it and run `dvc repro`.") from error
    content = io.BytesIO()
    how = {"quality": 90} if sheet else {"lossless": True, "quality": 50}
    opaque.save(content, "WEBP", **how)
    text = base64.b64encode(content.getvalue()).decode("ascii")
    return Picture(f"data:image/webp;base64,{text}", *opaque.size)


def heatmaps(folder: Path, classes: list[str]) -> dict[str, Picture]:
    """The sheets of heatmaps: one for each class, and one of novel images where there are any.

    Raises:
        UserError: if there is none.
    """
    names = {name: file_name(name) for name in classes} | {"novel images": "novel"}
    paths = {name: folder / f"{file}.png" for name, file in names.items()}
    found = {name: embed(path, sheet=True) for name, path in paths.items() if path.is_file()}
    if not found:
        raise UserError(f"{folder} holds no sheet of heatmaps: `dvc repro` writes them.")
    return found
