"""Create DICOM files in memory."""

import io
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def dicom(
    levels: np.ndarray, syntax: str = ExplicitVRLittleEndian, bits: int = 12, **elements: Any
) -> bytes:
    """A DICOM file of one or more grey (H, W) or coloured (H, W, 3) pictures."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    dataset.Modality = "DX"
    coloured = levels.ndim == 3 and levels.shape[-1] == 3
    dataset.SamplesPerPixel = 3 if coloured else 1
    dataset.PhotometricInterpretation = "RGB" if coloured else "MONOCHROME2"
    if coloured:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = levels.shape[-3:-1] if coloured else levels.shape[-2:]
    dataset.BitsAllocated = 8 * levels.dtype.itemsize
    dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(levels.dtype.kind == "i")
    dataset.PixelData = levels.tobytes()
    for name, value in elements.items():
        setattr(dataset, name, value)
    if syntax in (RLELossless, JPEG2000Lossless):
        compress(dataset, levels, syntax)
    elif syntax != ExplicitVRLittleEndian:
        dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8" + b"\0" * 100])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def compress(dataset: FileDataset, levels: np.ndarray, syntax: str) -> None:
    if syntax == RLELossless:
        dataset.compress(RLELossless, encoding_plugin="pydicom")
        return
    data = encoded(Image.fromarray(levels), "JPEG2000", irreversible=False, no_jp2=True)
    dataset.PixelData = pydicom.encaps.encapsulate([data])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax


def lookup(bits: int = 12) -> list[Dataset]:
    """A VOI lookup table that inverts 12-bit levels, and declares `bits` bits."""
    table = Dataset()
    table.LUTDescriptor = [4096, 0, bits]
    table.LUTData = (4095 - np.arange(4096, dtype=np.uint16)).tobytes()
    return [table]


def without_preamble(data: bytes) -> bytes:
    """A file without preamble and group 2, as old devices wrote it."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, Dataset(dataset), implicit_vr=True, little_endian=True)
    return buffer.getvalue()


def without_syntax(data: bytes) -> bytes:
    """A file whose group 2 lacks the transfer syntax."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    del dataset.file_meta.TransferSyntaxUID
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, implicit_vr=False, little_endian=True)
    return buffer.getvalue()
