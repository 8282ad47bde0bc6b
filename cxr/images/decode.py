"""One image file to one 8-bit grey picture, or the reason why not.

Pillow decodes: as fast as OpenCV, with the same grey levels, and it refuses truncated data. Its
arithmetic is in integers, so the result is the same on every machine.
"""

import io
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.Image import Image as Grey

from cxr.pipeline.params import Prepare

# What X-rays come in. Others are not tried: Pillow would start Ghostscript for one of them.
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "JPEG2000")

# Grey levels below the first and above the second percentile of an image of more than 8 bits are
# cut off: a few burnt pixels or an empty top byte must not turn the rest black.
WINDOW = (0.5, 99.5)


class UnusableError(Exception):
    """The file is no usable image; the message says why in a few words."""


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    Attributes:
        grey: mode L, upright. A JPEG that is far larger than the square comes smaller.
        width, height: in pixels as stored, before EXIF orientation.
        mode: Pillow's name; of DICOM the photometric interpretation and the bits.
        format: Pillow's name, or DICOM.
        patient, view: from the header of DICOM; else empty.
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
        side: of the square that is to be made of it, in pixels. A JPEG may come smaller than it
            is, but not below 3 x that.

    Raises:
        UnusableError: if it is empty, no image, damaged, too small or too large, or of
            several frames, of which none is known to be the X-ray.
    """
    if not data:
        raise UnusableError("empty file")
    # Pillow's own limit; that of here is prepare.max_megapixels, checked before decoding.
    Image.MAX_IMAGE_PIXELS = None
    try:
        # A prefix of 128 bytes and DICM; older files begin with an element of group 2 or 8.
        if data[128:132] == b"DICM" or data[:2] in (b"\x02\0", b"\x08\0"):
            # Takes half a second to import.
            from cxr.images.dicom import decode_dicom

            return decode_dicom(data, settings)
        return decode_image(data, settings, side)
    except UnusableError:
        raise
    except UnidentifiedImageError as error:
        raise UnusableError("not an image") from error
    # Whatever a decoder makes of hostile bytes costs one image, not the run.
    except Exception as error:
        raise UnusableError(f"damaged: {in_short(error)}") from error


def decode_image(data: bytes, settings: Prepare, side: int) -> Picture:
    """Decode what Pillow reads."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        (width, height), mode, form = image.size, image.mode, image.format or ""
        check_size(width, height, settings)
        frames = getattr(image, "n_frames", 1)
        # The further frames of MPO, a JPEG with several pictures, are previews.
        if frames > 1 and form != "MPO":
            raise UnusableError(f"{frames} frames, want one")
        if mode in ("RGB", "RGBA", "LA") and any("16" in str(tile.args) for tile in image.tile):
            return Picture(deep_colour(data), width, height, mode, form)
        # JPEG decodes to 1/2, 1/4 or 1/8 of its size at once, where that still is 3 x the square.
        image.draft("L", (3 * side, 3 * side))
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        grey = to_grey(image)
        if form == "TIFF" and mode.startswith(("I", "F")) and white_is_zero(image):
            # Pillow inverts up to 8 bits only.
            grey = ImageOps.invert(grey)
        return Picture(grey, width, height, mode, form)


def reducible(picture: Picture) -> bool:
    """Whether the size that `decode` gives a picture depends on the square to be made of it."""
    return picture.format in ("JPEG", "MPO")


def white_is_zero(image: Image.Image) -> bool:
    """Whether a TIFF's PhotometricInterpretation (tag 262) says that 0 is white."""
    return bool(getattr(image, "tag_v2", {}).get(262) == 0)


def deep_colour(data: bytes) -> Grey:
    """Colour or transparency of 16 bits, of which Pillow would keep the upper 8 alone."""
    import cv2

    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    if grey is None:
        raise UnusableError("damaged: OpenCV can't decode it")
    return Image.fromarray(window(grey))


def check_size(width: int, height: int, settings: Prepare) -> None:
    """Refuse what is too large or too small, by its header.

    Raises:
        UnusableError: if it is.
    """
    if width * height > settings.max_megapixels * 1e6:
        raise UnusableError(f"{width} x {height}: larger than prepare.max_megapixels")
    if min(width, height) < settings.min_side:
        raise UnusableError(f"{width} x {height}: smaller than prepare.min_side")


def to_grey(image: Image.Image) -> Grey:
    """Bring a picture of any mode to 8-bit grey; what is transparent becomes black."""
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
    """Levels of any range to 8 bits, by a percentile window.

    Raises:
        UnusableError: if not one level is a finite number.
    """
    finite = grey[np.isfinite(grey)]
    if not finite.size:
        raise UnusableError("no finite grey levels")
    # "nearest" gives levels of the image, which no rounding can move.
    low, high = np.percentile(finite, WINDOW, method="nearest").astype(np.float64)
    return scale(np.nan_to_num(grey.astype(np.float64), nan=low), low, high)


def scale(grey: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    """Levels from `low` to `high` to 0 to 255, those outside cut off."""
    share = (grey - low) / ((high - low) or 1)
    return np.rint(share.clip(0, 1) * 255).astype(np.uint8)


def in_short(error: Exception) -> str:
    """What an error says, in one short line that is the same in every run."""
    words = re.sub(r" at 0x[0-9a-f]+", "", " ".join(str(error).split()))
    return words[:120] or type(error).__name__
