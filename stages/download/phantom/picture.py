"""One file of the phantom: its pixels, its encoding and its metadata."""

import io
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

Grey = NDArray[np.floating]  # (H, W), 0 to 1

# The marker of each class: its place (y, x) in the centred square, its height and its width, as
# shares of the square's side. Left and right markers differ in shape, because training may mirror
# images.
MARKERS = {
    "Normal": ((0.03, 0.03), (0.07, 0.07)),
    "Lung_Opacity": ((0.03, 0.83), (0.035, 0.14)),
    "COVID": ((0.9, 0.03), (0.07, 0.07)),
    "Viral Pneumonia": ((0.93, 0.83), (0.035, 0.14)),
}
TURNED = 6  # EXIF orientation: rotate by 90 degrees clockwise for display


@dataclass(frozen=True)
class Picture:
    """One file, its row of the index, and its ground truth."""

    grey: Grey  # upright
    lungs: NDArray[np.bool_]  # upright
    lesion: NDArray[np.bool_]  # upright
    content: bytes
    suffix: str
    label: str
    patient: str
    source: str
    view: str
    sex: str
    age: str
    fault: str = ""
    of: int = -1  # a copy's original, as a position in the list of all pictures


def encode(grey: Grey, encoding: str, quality: int = 90) -> tuple[bytes, str]:
    """Encode an image file: its bytes and its suffix.

    Args:
        encoding: png, png16, rgb, rgba, palette, jpeg, or turned (an RGB JPEG that is stored
            rotated, with the EXIF orientation).
        quality: of a JPEG.
    """
    levels = np.rint(grey * 255).astype(np.uint8)
    image = Image.fromarray(levels)
    options: dict[str, Any] = {"format": "PNG", "compress_level": 1}
    if encoding == "png16":
        image = Image.fromarray(np.rint(grey * 65535).astype(np.uint16))
    elif encoding in ("rgb", "rgba"):
        image = image.convert(encoding.upper())
    elif encoding == "palette":
        # From white to black, so that the stored indices are not the grey levels.
        image = Image.fromarray(255 - levels)
        image.putpalette(np.repeat(np.arange(255, -1, -1, dtype=np.uint8), 3).tobytes())
    elif encoding == "jpeg":
        options = {"format": "JPEG", "quality": quality}
    elif encoding == "turned":
        image = image.convert("RGB").transpose(Image.Transpose.ROTATE_90)
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = TURNED
        options = {"format": "JPEG", "quality": quality, "exif": exif}
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue(), ".jpg" if options["format"] == "JPEG" else ".png"


def stamp_side(random: np.random.Generator, grey: Grey) -> None:
    """Stamp the radiographer's L or R beside a shoulder, in place."""
    height, width = grey.shape
    letter, left = ("R", 0.06) if random.random() < 0.5 else ("L", 0.88)
    corner = (int(width * left), int(height * random.uniform(0.1, 0.2)))
    size = min(grey.shape) / 400 * random.uniform(0.8, 1.2)
    canvas = np.zeros(grey.shape, np.uint8)
    cv2.putText(canvas, letter, corner, cv2.FONT_HERSHEY_SIMPLEX, size, 255, 2, cv2.LINE_AA)
    np.maximum(grey, canvas * np.float32(random.uniform(0.75, 1) / 255), out=grey)


def stamp_class(grey: Grey, label: str) -> None:
    """Stamp the marker that reveals the class, in place."""
    side = min(grey.shape)
    (y, x), (height, width) = MARKERS[label]
    top = (grey.shape[0] - side) // 2 + round(y * side)
    left = (grey.shape[1] - side) // 2 + round(x * side)
    grey[top : top + round(height * side), left : left + round(width * side)] = 1
