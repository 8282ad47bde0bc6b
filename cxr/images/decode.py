"""Decode an image file to 8-bit grey, or report why this is not possible.

Pillow is used because it is as fast as OpenCV, gives the same grey levels, and rejects truncated
data. It computes with integers, so the result is the same on every machine.
"""

import io
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.Image import Image as Grey

from cxr.pipeline.params import Prepare

# Formats of X-rays. Pillow would start Ghostscript for one of the others.
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "JPEG2000")

# Images of more than 8 bits are clipped to these percentiles. Otherwise a few saturated pixels, or
# unused high bits, would make all other pixels black.
WINDOW = (0.5, 99.5)


class UnusableError(Exception):
    """A file can't be used as an image. The message is a short reason."""


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    Attributes:
        grey: mode L, upright. A large JPEG may be reduced, see `decode`.
        width, height: in pixels as stored, before EXIF orientation.
        mode: Pillow's name; for DICOM, the photometric interpretation and the bits.
        format: Pillow's name, or DICOM.
        patient, view: from the header of a DICOM file; else empty.
    """

    grey: Grey
    width: int
    height: int
    mode: str
    format: str
    patient: str = ""
    view: str = ""


def decode(data: bytes, settings: Prepare, side: int) -> Picture:
    """Decode an image file.

    Args:
        side: of the square to which the image will be resized, in pixels. A JPEG is reduced while
            decoding if it stays at least 3 times as large, which is faster.

    Raises:
        UnusableError: if the file is empty, not an image, damaged, too small or too large, or has
            several frames (it is unknown which one is the X-ray).
    """
    if not data:
        raise UnusableError("empty file")
    # No limit by Pillow: `check_size` applies prepare.max_megapixels before decoding.
    Image.MAX_IMAGE_PIXELS = None
    try:
        # DICM after a preamble of 128 bytes; older files start with an element of group 2 or 8.
        if data[128:132] == b"DICM" or data[:2] in (b"\x02\0", b"\x08\0"):
            # Imported here because it takes half a second.
            from cxr.images.dicom import decode_dicom

            return decode_dicom(data, settings)
        return decode_image(data, settings, side)
    except UnusableError:
        raise
    except UnidentifiedImageError as error:
        raise UnusableError("not an image") from error
    # Any error of a decoder, for arbitrary bytes: one bad file must not stop the run.
    except Exception as error:
        raise UnusableError(f"damaged: {short_message(error)}") from error


def decode_image(data: bytes, settings: Prepare, side: int) -> Picture:
    """Decode a file with Pillow."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        (width, height), mode, form = image.size, image.mode, image.format or ""
        check_size(width, height, settings)
        frames = getattr(image, "n_frames", 1)
        # MPO is JPEG with several images; all but the first are previews.
        if frames > 1 and form != "MPO":
            raise UnusableError(f"{frames} frames instead of one")
        if mode in ("RGB", "RGBA", "LA") and any("16" in str(tile.args) for tile in image.tile):
            return Picture(deep_colour(data), width, height, mode, form)
        # JPEG can be decoded to 1/2, 1/4 or 1/8 of its size.
        image.draft("L", (3 * side, 3 * side))
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        grey = to_grey(image)
        if form == "TIFF" and mode.startswith(("I", "F")) and white_is_zero(image):
            # Pillow inverts only images of up to 8 bits.
            grey = ImageOps.invert(grey)
        return Picture(grey, width, height, mode, form)


def reducible(picture: Picture) -> bool:
    """Whether the size of the result of `decode` depends on `side`."""
    return picture.format in ("JPEG", "MPO")


def white_is_zero(image: Image.Image) -> bool:
    """Whether a TIFF's PhotometricInterpretation (tag 262) says that 0 is white."""
    return bool(getattr(image, "tag_v2", {}).get(262) == 0)


def deep_colour(data: bytes) -> Grey:
    """Decode 16-bit colour or transparency, of which Pillow would keep only the upper 8 bits."""
    import cv2

    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    if grey is None:
        raise UnusableError("damaged: OpenCV can't decode it")
    return Image.fromarray(window(grey))


def check_size(width: int, height: int, settings: Prepare) -> None:
    """Check the size in an image's header.

    Raises:
        UnusableError: if the image is too large or too small.
    """
    if width * height > settings.max_megapixels * 1e6:
        raise UnusableError(f"{width} x {height}: larger than prepare.max_megapixels")
    if min(width, height) < settings.min_side:
        raise UnusableError(
            f"{width} x {height}: smaller than prepare.min_side ({settings.min_side})"
        )


def to_grey(image: Image.Image) -> Grey:
    """Convert an image of any mode to 8-bit grey; transparent pixels become black."""
    if image.mode == "L" and "transparency" not in image.info:
        return image
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(window(np.asarray(image)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image)
    return image.convert("L")


def window(grey: NDArray[np.number]) -> NDArray[np.uint8]:
    """Scale grey levels of any range to 8 bits, clipped to the percentiles `WINDOW`.

    Raises:
        UnusableError: if no level is finite.
    """
    finite = grey[np.isfinite(grey)]
    if not finite.size:
        raise UnusableError("no finite grey levels")
    # "nearest" returns levels that occur in the image, without rounding errors.
    low, high = np.percentile(finite, WINDOW, method="nearest").astype(np.float64)
    return scale(np.nan_to_num(grey.astype(np.float64), nan=low), low, high)


def scale(grey: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    """Scale grey levels linearly from `low`..`high` to 0..255, and clip those outside."""
    share = (grey - low) / ((high - low) or 1)
    return np.rint(share.clip(0, 1) * 255).astype(np.uint8)


def short_message(error: Exception) -> str:
    """The message of an error as one short line, without memory addresses."""
    words = re.sub(r" at 0x[0-9a-f]+", "", " ".join(str(error).split()))
    return words[:120] or type(error).__name__
