"""DICOM to a picture: pydicom decodes, and applies what the header says of the grey levels."""

import hashlib
import io

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from cxr.images.decode import Picture, UnusableError, check_size, scale, window
from cxr.pipeline.params import Prepare

# Modalities of radiographs, scans of films (SC) and others (OT).
RADIOGRAPHS = ("CR", "DX", "RG", "SC", "OT", "")

# What stands in PatientID after it was removed.
NOBODY = ("", "0", "anon", "anonymous", "anonymized", "anonymised", "none", "unknown")


def decode_dicom(data: bytes, settings: Prepare) -> Picture:
    """Decode one DICOM image: rescaled, windowed as its header asks, MONOCHROME1 inverted.

    Its transfer syntax may be any that pydicom decodes with numpy and Pillow: uncompressed, RLE,
    JPEG baseline, JPEG 2000.

    Raises:
        UnusableError: if it has no pixels, several frames, or is no radiograph; other errors are
            pydicom's.
    """
    dataset = pydicom.dcmread(io.BytesIO(data))
    if "PixelData" not in dataset:
        raise UnusableError("DICOM without pixels")
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
        stored = dataset.pixel_array
    except (RuntimeError, NotImplementedError) as error:
        syntax = dataset.file_meta.TransferSyntaxUID.name
        raise UnusableError(f"DICOM compressed as {syntax}: can't be decoded") from error
    if stored.ndim == 3 and stored.dtype == np.uint8:
        return stored
    if stored.ndim != 2 or not text(dataset, "PhotometricInterpretation").startswith("MONO"):
        raise UnusableError(f"DICOM of {text(dataset, 'PhotometricInterpretation')}")
    values = apply_modality_lut(stored, dataset)
    grey = windowed(values, dataset)
    return 255 - grey if dataset.PhotometricInterpretation == "MONOCHROME1" else grey


def windowed(values: NDArray[np.number], dataset: Dataset) -> NDArray[np.uint8]:
    """The first window or table of the header; a percentile window where it has none."""
    if dataset.get("VOILUTSequence"):
        bits = dataset.VOILUTSequence[0].LUTDescriptor[2]
        return scale(apply_voi_lut(values, dataset).astype(np.float64), 0, 2**bits - 1)
    if dataset.get("WindowWidth") is None or dataset.get("WindowCenter") is None:
        return window(values)
    # What lies far outside the window tells which levels pydicom gives to its two ends.
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
    if number.lower() in NOBODY:
        return ""
    return "dicom-" + hashlib.sha256(number.encode()).hexdigest()[:16]


def text(dataset: Dataset, name: str) -> str:
    """An element as words; empty if it is not there."""
    return str(dataset.get(name) or "").strip()
