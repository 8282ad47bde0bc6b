"""DICOM to a picture: pydicom decodes, and applies what the header says of the grey levels."""

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

# Modalities of radiographs, scans of films (SC) and others (OT).
RADIOGRAPHS = ("CR", "DX", "RG", "SC", "OT", "")

# A window that makes more than this share of the pixels black or white does not fit the data.
CLIPPED = 0.95


def decode_dicom(data: bytes, settings: Prepare) -> Picture:
    """Decode one DICOM image: rescaled, windowed as its header asks, MONOCHROME1 inverted.

    Its transfer syntax may be any that pydicom decodes with numpy and Pillow: uncompressed, RLE,
    JPEG baseline, JPEG 2000.

    Raises:
        UnusableError: if it has no pixels, several frames, or is no radiograph; other errors are
            pydicom's.
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
        raise UnusableError(f"DICOM of modality {modality}, no radiograph")
    check_size(dataset.Columns, dataset.Rows, settings)
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        raise UnusableError(f"{frames} frames, want one")
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
    """Grey levels (H, W) as a screen shows them, or RGB (H, W, 3)."""
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
    """The stored levels; those in the high bits, which pydicom cuts off, in the low bits."""
    bits, compressed = int(dataset.BitsStored), dataset.file_meta.TransferSyntaxUID.is_compressed
    shift = int(dataset.get("HighBit", bits - 1)) + 1 - bits
    if shift <= 0 or compressed:
        return dataset.pixel_array
    dataset.BitsStored = bits + shift
    stored = dataset.pixel_array >> shift
    dataset.BitsStored = bits
    return stored


def is_padding(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.bool_]:
    """Where the scanner filled up the image; nowhere if that were everywhere."""
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
    """Apply the header's window or table; a percentile window if it has none that is usable."""
    try:
        grey = by_header(values, dataset)
    # Invalid widths, unknown functions, broken tables: the image itself is good.
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
    # Levels far outside the window show which levels pydicom maps its two ends to.
    low, high = apply_voi_lut(np.array([-1e12, 1e12]), dataset)
    return scale(apply_voi_lut(values.astype(np.float64), dataset), low, high)


def pseudonym(dataset: Dataset) -> str:
    """Which patient it is, without saying who.

    The tables are cached, pushed and shown in pull requests, and need only know which images
    belong together: so a hash of PatientID stands for it. Who knows a PatientID can still find
    its images: this is a pseudonym, not anonymity. Patients of two hospitals that share a number
    are taken for one, which only keeps their images on one side of the split.
    """
    number = text(dataset, "PatientID")
    if is_placeholder(number) or number.strip("0") == "":
        return ""
    return "dicom-" + hashlib.sha256(number.encode()).hexdigest()[:16]


def text(dataset: Dataset, name: str) -> str:
    """An element as words; empty if it is not there."""
    return str(dataset.get(name) or "").strip()
