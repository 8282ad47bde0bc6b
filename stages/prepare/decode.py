"""One image file to one 8-bit grey array, or the reason why not."""

import io
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

# Grey levels below the first and above the second percentile of a 16-bit image are cut off:
# a few burnt pixels or an empty top byte must not turn the rest black.
WINDOW = (0.5, 99.5)

# How a whole file ends. A file that ends otherwise is decoded by Pillow too, which, unlike
# OpenCV, refuses truncated data.
ENDINGS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}


class UnusableError(Exception):
    """The file is no usable image; the message says why in a few words."""


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    Attributes:
        grey: uint8 (H, W), upright.
        width, height: in pixels as stored, before EXIF orientation.
        mode, format: Pillow's names.
    """

    grey: NDArray[np.uint8]
    width: int
    height: int
    mode: str
    format: str


def decode(data: bytes) -> Picture:
    """Decode an image file of 8 or 16 bits, grey, RGB, RGBA or palette, EXIF applied.

    Raises:
        UnusableError: if it is empty, no image, or damaged.
    """
    if not data:
        raise UnusableError("empty file")
    try:
        with Image.open(io.BytesIO(data)) as image:
            (width, height), mode, form = image.size, image.mode, image.format or ""
            if not data.endswith(ENDINGS.get(form, b"")):
                image.load()
    except UnidentifiedImageError as error:
        raise UnusableError("not an image") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UnusableError(f"damaged: {error}") from error
    flags = cv2.IMREAD_GRAYSCALE | (cv2.IMREAD_ANYDEPTH if mode.startswith(("I", "F")) else 0)
    grey = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if grey is None:
        raise UnusableError(f"damaged: OpenCV can't decode this {form}")
    return Picture(window(grey), width, height, mode, form)


def window(grey: NDArray[Any]) -> NDArray[np.uint8]:
    """More than 8 bits to 8, by a percentile window; 8 bits as they are."""
    if grey.dtype == np.uint8:
        return grey.view(np.uint8)
    low, high = np.percentile(grey, WINDOW)
    scaled = (grey.astype(np.float64) - low) / max(high - low, 1)
    return (scaled.clip(0, 1) * 255).round().astype(np.uint8)
