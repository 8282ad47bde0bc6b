"""Faults of real collections that the phantom contains: copies and unreadable files."""

from dataclasses import replace

import numpy as np
from PIL import Image

from stages.download.phantom.findings import SHARES
from stages.download.phantom.patient import Random
from stages.download.phantom.picture import Picture, encode

COPIES = ("exact", "reencoded", "resized", "brightened", "relabelled")
BROKEN = ("truncated", "empty", "text")


def copy(
    random: Random, picture: Picture, number: int, kind: str, source: str, patient: str
) -> Picture:
    """A copy of picture `number` in another source, under another patient id.

    Args:
        kind: exact (the same bytes), reencoded (as JPEG), resized, brightened, or relabelled
            (the same bytes under another label).
        patient: empty = unknown.
    """
    made = replace(picture, fault=kind, of=number, source=source, patient=patient)
    if kind == "reencoded":
        content, suffix = encode(picture.grey, "jpeg", int(random.integers(40, 81)))
        return replace(made, content=content, suffix=suffix)
    if kind == "resized":
        return resize(made, random.uniform(0.6, 0.8))
    if kind == "brightened":
        grey = random.uniform(0.85, 1.15) * picture.grey + random.uniform(0.03, 0.1)
        content, suffix = encode(np.clip(grey, 0, 1), "png")
        return replace(made, content=content, suffix=suffix)
    if kind == "relabelled":
        others = [label for label in SHARES if label != picture.label]
        return replace(made, label=str(random.choice(others)))
    return made


def resize(picture: Picture, scale: float) -> Picture:
    """Scale the picture and its masks."""
    height, width = (round(side * scale) for side in picture.grey.shape)
    levels = Image.fromarray(np.rint(picture.grey * 255).astype(np.uint8))
    grey = np.asarray(levels.resize((width, height), Image.Resampling.BILINEAR)) / 255
    lungs, lesion = (
        np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)) > 0
        for mask in (picture.lungs.astype(np.uint8), picture.lesion.astype(np.uint8))
    )
    content, suffix = encode(grey, "png")
    return replace(picture, grey=grey, lungs=lungs, lesion=lesion, content=content, suffix=suffix)


def spoil(random: Random, picture: Picture, kind: str) -> Picture:
    """An unreadable file, with the row of the index of `picture`.

    Args:
        kind: truncated, empty, or text (a text file with the suffix of an image).
    """
    if kind == "truncated":
        end = int(len(picture.content) * random.uniform(0.2, 0.6))
        return replace(picture, fault=kind, content=picture.content[:end])
    if kind == "empty":
        return replace(picture, fault=kind, content=b"")
    withdrawn = b"This image was withdrawn. Please ask the archive.\n"
    return replace(picture, fault=kind, content=withdrawn, suffix=".png")
