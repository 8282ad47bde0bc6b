"""Decode DICOM files with pydicom, and apply the grey-level transformations in their headers."""

import hashlib
import io

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from cxr.images.decode import Picture, UnusableError, check_size, scale, window
from cxr.images.patients import is_placeholder
from cxr.pipeline.params import Prepare

# Radiographs, secondary captures such as scanned films (SC), other (OT), unknown.
RADIOGRAPHS = ("CR", "DX", "RG", "SC", "OT", "")

# A window does not fit the data if it makes more than this share of the pixels black or white.
CLIPPED = 0.95


def decode_dicom(data: bytes, settings: Prepare) -> Picture:
    """Decode one DICOM image: apply rescale and window of the header, and invert MONOCHROME1.

    pydicom decodes these transfer syntaxes with numpy and Pillow: uncompressed, RLE, JPEG baseline,
    JPEG 2000.

    Raises:
        UnusableError: if the file has no pixels or several frames, or is not a radiograph. pydicom
            raises other errors.
    """
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    if "PixelData" not in dataset:
        raise UnusableError("DICOM without pixels")
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit = dataset.original_encoding[0]
        syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        dataset.file_meta.TransferSyntaxUID = syntax
    modality = text(dataset, "Modality")
    if modality not in RADIOGRAPHS:
        raise UnusableError(f"DICOM of modality {modality}, not a radiograph")
    check_size(dataset.Columns, dataset.Rows, settings)
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        raise UnusableError(f"{frames} frames instead of one")
    photometric = text(dataset, "PhotometricInterpretation")
    return Picture(
        Image.fromarray(levels(dataset)).convert("L"),
        dataset.Columns,
        dataset.Rows,
        f"{photometric} {dataset.BitsStored} bits",
        "DICOM",
        pseudonym(dataset),
        text(dataset, "ViewPosition"),
    )


def levels(dataset: Dataset) -> NDArray[np.uint8]:
    """Grey levels (H, W) for display, or RGB (H, W, 3)."""
    try:
        stored = stored_levels(dataset)
    except (RuntimeError, NotImplementedError) as error:
        syntax = dataset.file_meta.TransferSyntaxUID.name
        raise UnusableError(f"DICOM compressed as {syntax}: can't be decoded") from error
    if stored.ndim == 3 and stored.dtype == np.uint8:
        return np.asarray(stored, np.uint8)
    if stored.ndim != 2 or not text(dataset, "PhotometricInterpretation").startswith("MONO"):
        raise UnusableError(f"DICOM of {text(dataset, 'PhotometricInterpretation')}")
    padding = is_padding(stored, dataset)
    grey = windowed(apply_modality_lut(stored, dataset), padding, dataset)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        grey = 255 - grey
    return np.where(padding, np.uint8(0), grey)


def stored_levels(dataset: Dataset) -> NDArray[np.integer]:
    """The stored levels, shifted to the low bits. (pydicom would drop levels in the high bits.)"""
    bits, compressed = int(dataset.BitsStored), dataset.file_meta.TransferSyntaxUID.is_compressed
    shift = int(dataset.get("HighBit", bits - 1)) + 1 - bits
    if shift <= 0 or compressed:
        return dataset.pixel_array
    dataset.BitsStored = bits + shift
    stored = dataset.pixel_array >> shift
    dataset.BitsStored = bits
    return stored


def is_padding(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.bool_]:
    """Where the image has padding pixels, bool (H, W); all False if that were everywhere."""
    value = dataset.get("PixelPaddingValue")
    if not isinstance(value, int):
        return np.zeros(stored.shape, bool)
    limit = dataset.get("PixelPaddingRangeLimit")
    other = limit if isinstance(limit, int) else value
    padding = (stored >= min(value, other)) & (stored <= max(value, other))
    return padding & ~padding.all()


def windowed(
    values: NDArray[np.number], padding: NDArray[np.bool_], dataset: Dataset
) -> NDArray[np.uint8]:
    """Apply the header's window or table, or a percentile window if there is none that fits."""
    try:
        grey = by_header(values, dataset)
    # Invalid widths, unknown functions, damaged tables: the pixels can still be used.
    except (AttributeError, IndexError, KeyError, NotImplementedError, TypeError, ValueError):
        grey = None
    if grey is None or np.isin(grey[~padding], (0, 255)).mean() > CLIPPED:
        return window(np.where(padding, np.nan, values))
    return grey


def by_header(values: NDArray[np.number], dataset: Dataset) -> NDArray[np.uint8] | None:
    """Apply the first table or window of the header; None if it has none."""
    if dataset.get("VOILUTSequence"):
        table = apply_voi_lut(values, dataset).astype(np.float64)
        # Tables often use fewer bits than they declare.
        highest = apply_voi_lut(np.arange(2**16), dataset).max()
        return scale(table, 0, float(highest))
    if dataset.get("WindowWidth") is None or dataset.get("WindowCenter") is None:
        return None
    # The levels to which pydicom maps both ends of the window.
    low, high = apply_voi_lut(np.array([-1e12, 1e12]), dataset)
    return scale(apply_voi_lut(values.astype(np.float64), dataset), low, high)


def pseudonym(dataset: Dataset) -> str:
    """A hash of PatientID, or "" if it is a placeholder.

    Tables are cached, pushed and shown in pull requests. They only need to tell which images belong
    to the same patient. This is a pseudonym and not anonymous: someone who knows a PatientID can
    find its images. Patients of two hospitals with the same number are treated as one, which only
    keeps their images in the same split.
    """
    number = text(dataset, "PatientID")
    if is_placeholder(number) or number.strip("0") == "":
        return ""
    return "dicom-" + hashlib.sha256(number.encode()).hexdigest()[:16]


def text(dataset: Dataset, name: str) -> str:
    """A DICOM element as text; empty if it is missing."""
    return str(dataset.get(name) or "").strip()
