import io

import numpy as np
import pytest
from PIL import Image

from stages.prepare.decode import UnusableError, decode
from stages.prepare.fit import fit


def picture(width: int = 60, height: int = 40) -> np.ndarray:
    """A smooth grey picture, brighter to the right, with a dark corner at the top left."""
    grey = np.tile(np.linspace(40, 220, width), (height, 1))
    grey[: height // 3, : width // 3] = 5
    return grey.astype(np.uint8)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def rgba(grey: np.ndarray) -> Image.Image:
    image = Image.fromarray(grey).convert("RGBA")
    image.putalpha(255)
    return image


def exif_rotated(grey: np.ndarray) -> bytes:
    """Stored lying on its side, with the orientation that brings it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.fromarray(np.rot90(grey)), "JPEG", quality=95, exif=exif)


GREY = picture()
FILES = {
    "grey PNG": (encoded(Image.fromarray(GREY), "PNG"), "L", "PNG"),
    "grey JPEG": (encoded(Image.fromarray(GREY), "JPEG", quality=95), "L", "JPEG"),
    "RGB PNG": (encoded(Image.fromarray(GREY).convert("RGB"), "PNG"), "RGB", "PNG"),
    "RGB JPEG": (encoded(Image.fromarray(GREY).convert("RGB"), "JPEG", quality=95), "RGB", "JPEG"),
    "RGBA PNG": (encoded(rgba(GREY), "PNG"), "RGBA", "PNG"),
    "palette PNG": (encoded(Image.fromarray(GREY).convert("P"), "PNG"), "P", "PNG"),
    "EXIF JPEG": (exif_rotated(GREY), "L", "JPEG"),
    "TIFF": (encoded(Image.fromarray(GREY), "TIFF"), "L", "TIFF"),
    "BMP": (encoded(Image.fromarray(GREY), "BMP"), "L", "BMP"),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_of_file_gives_the_same_picture(kind: str) -> None:
    data, mode, form = FILES[kind]
    result = decode(data)
    assert (result.mode, result.format) == (mode, form)
    assert result.grey.dtype == np.uint8
    assert result.grey.shape == GREY.shape
    error = np.abs(result.grey.astype(int) - GREY)
    assert np.median(error) <= 2
    assert np.percentile(error, 97) <= 8


def test_16_bits_are_windowed_so_that_a_burnt_pixel_changes_nothing() -> None:
    deep = GREY.astype(np.uint16) * 16 + 300
    deep[0, 0] = 65535
    result = decode(encoded(Image.fromarray(deep), "PNG"))
    assert result.mode == "I;16"
    assert result.grey.dtype == np.uint8
    assert result.grey.min() == 0
    assert result.grey.max() == 255
    assert np.corrcoef(result.grey.ravel()[1:], GREY.ravel()[1:])[0, 1] > 0.99


def test_a_flat_16_bit_image_is_no_division_by_zero() -> None:
    result = decode(encoded(Image.fromarray(np.full((40, 40), 700, np.uint16)), "PNG"))
    assert result.grey.max() == 0


WHOLE = {name: data for name, (data, _, _) in FILES.items()}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"Not found", "not an image"),
        (b"<html>" + b"x" * 1000, "not an image"),
        (WHOLE["grey PNG"][: len(WHOLE["grey PNG"]) // 2], "damaged"),
        (WHOLE["grey JPEG"][: len(WHOLE["grey JPEG"]) * 2 // 3], "damaged"),
        (WHOLE["RGB JPEG"][:100], "not an image|damaged"),
        (WHOLE["TIFF"][:200], "not an image|damaged"),
    ],
    ids=["empty", "text", "html", "half a PNG", "most of a JPEG", "a header", "cut TIFF"],
)
def test_a_bad_file_is_unusable_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnusableError, match=reason):
        decode(data)


def test_crop_keeps_the_centre() -> None:
    wide = np.zeros((40, 80), np.uint8)
    wide[:, 20:60] = 200
    assert (fit(wide, 20, "crop") == 200).all()
    assert fit(wide.T, 20, "crop").min() == 200


def test_pad_keeps_all_and_adds_black() -> None:
    wide = np.full((40, 80), 200, np.uint8)
    padded = fit(wide, 40, "pad")
    assert (padded[10:30] == 200).all()
    assert (padded[:9] == 0).all()
    assert (padded[31:] == 0).all()


def test_stretch_fills_the_square() -> None:
    assert (fit(np.full((40, 80), 200, np.uint8), 32, "stretch") == 200).all()


def test_shrinking_is_area_averaging() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    mean = grey.reshape(16, 4, 16, 4).mean((1, 3))
    assert np.abs(fit(grey, 16, "crop") - mean).max() <= 0.5
