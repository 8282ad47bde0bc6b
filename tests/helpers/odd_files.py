"""Unusual, damaged and malicious image files, each as bytes."""

import struct
import zlib

import numpy as np
from PIL import Image
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, RLELossless

from tests.helpers.dicom_files import dicom, encoded, lookup, without_preamble, without_syntax


def picture(width: int = 60, height: int = 40) -> np.ndarray:
    """A smooth grey picture, brighter to the right, with a dark corner at the top left."""
    grey = np.tile(np.linspace(40, 220, width), (height, 1))
    grey[: height // 3, : width // 3] = 5
    return grey.astype(np.uint8)


GREY = picture()
IMAGE = Image.fromarray(GREY)


def with_alpha(image: Image.Image, alpha: int | Image.Image, mode: str = "RGBA") -> Image.Image:
    image = image.convert(mode)
    image.putalpha(alpha)
    return image


def turned(form: str) -> bytes:
    """The image stored rotated, with the EXIF orientation that turns it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.fromarray(np.rot90(GREY)), form, exif=exif)


def frames(form: str, count: int = 3) -> bytes:
    more = [Image.fromarray(np.roll(GREY, 9 * turn, 1)) for turn in range(1, count)]
    return encoded(IMAGE, form, save_all=True, append_images=more)


def deep(scale: int = 16, shift: int = 300) -> np.ndarray:
    """The picture with more than 256 grey levels, and one saturated pixel."""
    levels = GREY.astype(np.uint16) * scale + shift
    levels[0, 0] = 65535
    return levels


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(rows: bytes, bits: int, colour: int, shape: tuple[int, int], more: bytes = b"") -> bytes:
    """A PNG written by hand, for variants that Pillow can't write.

    Args:
        rows: filter byte and samples of each row.
        shape: height and width, as the header claims.
        more: chunks before the data.
    """
    header = struct.pack(">IIBBBBB", shape[1], shape[0], bits, colour, 0, 0, 0)
    data = chunk(b"IHDR", header) + more + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + data + chunk(b"IEND", b"")


def png_rows(levels: np.ndarray) -> bytes:
    big_endian = levels.astype(levels.dtype.newbyteorder(">"))
    return b"".join(b"\0" + row.tobytes() for row in big_endian)


def interlaced() -> bytes:
    """GREY as an Adam7 PNG."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    passes.append((1, 0, 2, 1))
    rows = b"".join(png_rows(GREY[top::down, left::right]) for top, left, down, right in passes)
    header = struct.pack(">IIBBBBB", GREY.shape[1], GREY.shape[0], 8, 0, 0, 0, 1)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def changed(data: bytes, place: int, value: bytes) -> bytes:
    place %= len(data)
    return data[:place] + value + data[place + len(value) :]


TWELVE = GREY.astype(np.uint16) * 16
PNG = encoded(IMAGE, "PNG")
JPEG = encoded(IMAGE, "JPEG", quality=95)
TIFF = encoded(IMAGE, "TIFF")
PALETTE = IMAGE.convert("P")
ZEROS = zlib.compress(bytes(10**8))
NOISE = np.random.default_rng(0).integers(0, 256, (400, 400), np.uint8)
BIG_PNG = encoded(Image.fromarray(NOISE), "PNG")
NAN = np.where(GREY == 5, np.nan, GREY).astype(np.float32)
RGB16 = np.repeat(deep()[:, :, None], 3, axis=2)

# Files without a usable window, whose grey levels are stretched to the full range.
STRETCHED = {
    "TIFF of 16 bits",
    "TIFF of floats",
    "TIFF of floats with NaN",
    "PNG of 16 bits",
    "PNG of 16 bits in colour",
    "DICOM",
    "inverted DICOM",
    "DICOM by RLE",
    "DICOM of width 0",
    "DICOM of width 0.91",
    "DICOM with an unknown window function",
    "DICOM with a window off the data",
    "DICOM without preamble",
    "DICOM without transfer syntax",
    "TIFF of 16 bits, white is zero",
}

# Files that contain GREY: bytes, mode, format.
GOOD: dict[str, tuple[bytes, str, str]] = {
    "grey PNG": (PNG, "L", "PNG"),
    "grey JPEG": (JPEG, "L", "JPEG"),
    "RGB PNG": (encoded(IMAGE.convert("RGB"), "PNG"), "RGB", "PNG"),
    "RGB JPEG": (encoded(IMAGE.convert("RGB"), "JPEG", quality=95), "RGB", "JPEG"),
    "progressive JPEG": (encoded(IMAGE, "JPEG", quality=95, progressive=True), "L", "JPEG"),
    "CMYK JPEG": (encoded(IMAGE.convert("RGB").convert("CMYK"), "JPEG"), "CMYK", "JPEG"),
    "CMYK TIFF": (encoded(IMAGE.convert("RGB").convert("CMYK"), "TIFF"), "CMYK", "TIFF"),
    "opaque RGBA PNG": (encoded(with_alpha(IMAGE, 255), "PNG"), "RGBA", "PNG"),
    "LA PNG": (encoded(with_alpha(IMAGE, 255, "L"), "PNG"), "LA", "PNG"),
    "palette PNG": (encoded(PALETTE, "PNG"), "P", "PNG"),
    "palette PNG with transparency": (encoded(PALETTE, "PNG", transparency=255), "P", "PNG"),
    "interlaced PNG": (interlaced(), "L", "PNG"),
    "PNG with gamma": (
        png(png_rows(GREY), 8, 0, GREY.shape, chunk(b"gAMA", struct.pack(">I", 100000))),
        "L",
        "PNG",
    ),
    "PNG with a colour profile": (encoded(IMAGE, "PNG", icc_profile=b"no profile"), "L", "PNG"),
    "PNG with more after its end": (PNG + b"\0" * 99, "L", "PNG"),
    "JPEG with more after its end": (JPEG + b"\0" * 99, "L", "JPEG"),
    "turned JPEG": (turned("JPEG"), "L", "JPEG"),
    "turned PNG": (turned("PNG"), "L", "PNG"),
    "turned TIFF": (turned("TIFF"), "L", "TIFF"),
    "TIFF": (TIFF, "L", "TIFF"),
    "TIFF by LZW": (encoded(IMAGE, "TIFF", compression="tiff_lzw"), "L", "TIFF"),
    "TIFF of 16 bits": (encoded(Image.fromarray(deep()), "TIFF"), "I;16", "TIFF"),
    "TIFF of floats": (encoded(Image.fromarray(GREY / np.float32(999)), "TIFF"), "F", "TIFF"),
    "TIFF of floats with NaN": (encoded(Image.fromarray(NAN), "TIFF"), "F", "TIFF"),
    "PNG of 16 bits": (encoded(Image.fromarray(deep()), "PNG"), "I;16", "PNG"),
    "PNG of 16 bits in colour": (png(png_rows(RGB16), 16, 2, GREY.shape), "RGB", "PNG"),
    "BMP": (encoded(IMAGE, "BMP"), "L", "BMP"),
    "WebP": (encoded(IMAGE.convert("RGB"), "WEBP", lossless=True), "RGB", "WEBP"),
    "GIF of one frame": (encoded(IMAGE, "GIF"), "P", "GIF"),
    "JPEG 2000": (encoded(IMAGE, "JPEG2000"), "L", "JPEG2000"),
    "PGM": (encoded(IMAGE, "PPM"), "L", "PPM"),
    "DICOM": (dicom(TWELVE), "MONOCHROME2 12 bits", "DICOM"),
    "inverted DICOM": (
        dicom(4095 - TWELVE, PhotometricInterpretation="MONOCHROME1"),
        "MONOCHROME1 12 bits",
        "DICOM",
    ),
    "DICOM with a window": (
        dicom(TWELVE, WindowCenter=2048, WindowWidth=4096),
        "MONOCHROME2 12 bits",
        "DICOM",
    ),
    "DICOM with two windows": (
        dicom(TWELVE, WindowCenter=[2048, 9], WindowWidth=[4096, 9]),
        "MONOCHROME2 12 bits",
        "DICOM",
    ),
    "DICOM rescaled, with a window": (
        dicom(TWELVE, RescaleSlope=2, RescaleIntercept=-500, WindowCenter=3596, WindowWidth=8192),
        "MONOCHROME2 12 bits",
        "DICOM",
    ),
    "signed DICOM": (
        dicom(TWELVE.astype(np.int16) - 2000, WindowCenter=48, WindowWidth=4096),
        "MONOCHROME2 12 bits",
        "DICOM",
    ),
    "DICOM with a table": (
        dicom(4095 - TWELVE, VOILUTSequence=lookup()),
        "MONOCHROME2 12 bits",
        "DICOM",
    ),
    "DICOM of 8 bits": (
        dicom(GREY, bits=8, WindowCenter=128, WindowWidth=256),
        "MONOCHROME2 8 bits",
        "DICOM",
    ),
    "DICOM in colour": (
        dicom(np.repeat(GREY[:, :, None], 3, axis=2), bits=8),
        "RGB 8 bits",
        "DICOM",
    ),
    "DICOM by RLE": (dicom(TWELVE, RLELossless), "MONOCHROME2 12 bits", "DICOM"),
    "DICOM of width 0": (
        dicom(TWELVE, WindowCenter=2048, WindowWidth=0),
        "MONOCHROME2 12 bits",
        "DICOM",
    ),
    "DICOM of width 0.91": (
        dicom(TWELVE, WindowCenter=2048, WindowWidth=0.91),
        "MONOCHROME2 12 bits",
        "DICOM",
    ),
    "DICOM with an unknown window function": (
        dicom(TWELVE, WindowCenter=2048, WindowWidth=4096, VOILUTFunction="OWN"),
        "MONOCHROME2 12 bits",
        "DICOM",
    ),
    "DICOM with a window off the data": (
        dicom(TWELVE, WindowCenter=30, WindowWidth=60),
        "MONOCHROME2 12 bits",
        "DICOM",
    ),
    "DICOM with a table of fewer bits than declared": (
        dicom(4095 - TWELVE, VOILUTSequence=lookup(16)),
        "MONOCHROME2 12 bits",
        "DICOM",
    ),
    "DICOM in the high bits": (
        dicom(TWELVE * 16 + 15, HighBit=15, WindowCenter=2048, WindowWidth=4096),
        "MONOCHROME2 12 bits",
        "DICOM",
    ),
    "DICOM without preamble": (without_preamble(dicom(TWELVE)), "MONOCHROME2 12 bits", "DICOM"),
    "DICOM without transfer syntax": (
        without_syntax(dicom(TWELVE)),
        "MONOCHROME2 12 bits",
        "DICOM",
    ),
    "TIFF of 16 bits, white is zero": (
        encoded(Image.fromarray(65535 - deep()), "TIFF", tiffinfo={262: 0}),
        "I;16",
        "TIFF",
    ),
    "DICOM by JPEG 2000": (
        dicom(GREY, JPEG2000Lossless, bits=8, WindowCenter=128, WindowWidth=256),
        "MONOCHROME2 8 bits",
        "DICOM",
    ),
}

# Files that can't be used, and a regular expression for the reason.
BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty file"),
    "text": (b"Not found", "not an image"),
    "HTML": (b"<html>" + b"x" * 1000, "not an image"),
    "PDF": (b"%PDF-1.4\n" + b"x" * 1000, "not an image"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not an image"),
    "zeros": (b"\0" * 5000, "not an image"),
    "half a PNG": (PNG[: len(PNG) // 2], "damaged"),
    "most of a JPEG": (JPEG[: len(JPEG) * 2 // 3], "damaged"),
    "a JPEG's header": (JPEG[:100], "not an image|damaged"),
    "cut TIFF": (TIFF[:200], "not an image|damaged"),
    "cut WebP": (GOOD["WebP"][0][:-20], "not an image|damaged"),
    "cut JPEG 2000": (GOOD["JPEG 2000"][0][:300], "damaged"),
    "cut DICOM": (dicom(TWELVE)[:-500], "damaged"),
    "DICOM's header cut": (dicom(TWELVE)[:200], "damaged|without pixels"),
    "PNG with a wrong header checksum": (changed(PNG, 29, b"\0\0\0\0"), "not an image|damaged"),
    "PNG with damaged data": (changed(BIG_PNG, 9000, b"\0" * 50), "damaged"),
    "PNG of no width": (png(b"", 8, 0, (40, 0)), "not an image|damaged|smaller"),
    "PNG of negative size": (png(b"", 8, 0, (2**32 - 1, 40)), "damaged|larger|smaller"),
    "bomb: a PNG of 40000 x 40000": (
        png(b"\0" * 1000, 8, 0, (40_000, 40_000)),
        "40000 x 40000: larger than prepare.max_megapixels",
    ),
    "bomb: a GIF of 65535 x 65535": (
        changed(GOOD["GIF of one frame"][0], 6, b"\xff\xff\xff\xff"),
        "larger than prepare.max_megapixels",
    ),
    "bomb: a PNG's text": (
        png(png_rows(GREY), 8, 0, GREY.shape, chunk(b"zTXt", b"a\0\0" + ZEROS)),
        "damaged",
    ),
    "tiny PNG": (
        encoded(IMAGE.resize((9, 9)), "PNG"),
        "9 x 9: smaller than prepare.min_side \\(32\\)",
    ),
    "one pixel": (encoded(IMAGE.resize((1, 1)), "PNG"), "1 x 1: smaller"),
    "blank": (encoded(Image.new("L", (60, 40), 200), "PNG"), "blank: all pixels are equal"),
    "blank of 16 bits": (
        encoded(Image.fromarray(np.full((40, 60), 700, np.uint16)), "PNG"),
        "blank: all pixels are equal",
    ),
    "transparent RGBA": (encoded(with_alpha(IMAGE, 0), "PNG"), "blank: all pixels are equal"),
    "TIFF of NaN": (encoded(Image.fromarray(np.full_like(NAN, np.nan)), "TIFF"), "no finite"),
    "animated GIF": (frames("GIF"), "3 frames instead of one"),
    "animated PNG": (frames("PNG"), "3 frames instead of one"),
    "animated WebP": (frames("WEBP"), "3 frames instead of one"),
    "TIFF of three pages": (frames("TIFF"), "3 frames instead of one"),
    "DICOM of three frames": (
        dicom(np.stack([TWELVE] * 3), NumberOfFrames=3),
        "3 frames instead of one",
    ),
    "DICOM of a CT": (dicom(TWELVE, Modality="CT"), "modality CT, not a radiograph"),
    "DICOM by lossless JPEG": (dicom(TWELVE, JPEGLosslessSV1), "compressed as JPEG Lossless"),
    "huge DICOM": (dicom(TWELVE, Rows=60_000, Columns=60_000), "larger than prepare.max_mega"),
    "DICOM with a palette": (
        dicom(GREY, bits=8, PhotometricInterpretation="PALETTE COLOR"),
        "DICOM of PALETTE COLOR",
    ),
}
