"""Warnings about images that the network was not made for.

That is, images that do not look like the training images (`cxr.models.ood`: a photograph, a CT
slice, an inverted film, an X-ray upside down), and files in colour.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from cxr.images.decode import FORMATS
from cxr.models.ood import OodDetector

MAX_COLOURFULNESS = 0.05
"""Of 1,682 X-rays from three published data sets, 1.8% have more; of 60 parts of photographs, all.
"""
SIDE = 64
"""Pixels, of the downsampled image whose colours are looked at."""


def input_warnings(distance: float, detector: OodDetector, colourfulness: float) -> list[str]:
    """Reasons not to trust the prediction; empty for an image like the training images.

    Args:
        distance: of the image, by the detector.
        colourfulness: 0 to 1.
    """
    warnings = []
    if distance > detector.threshold:
        warnings.append(
            f"does not look like the training images (distance {distance:.1f}, threshold "
            f"{detector.threshold:.1f})"
        )
    if colourfulness > MAX_COLOURFULNESS:
        warnings.append("is in colour, unlike an X-ray")
    return warnings


def measure_colourfulness(path: Path) -> float:
    """Mean difference between the strongest and the weakest colour channel, 0 to 1.

    Args:
        path: an image file that Pillow can read.
    """
    with Image.open(path, formats=FORMATS) as image:
        image.draft("RGB", (SIDE, SIDE))
        small = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX), float)
    return float((small.max(2) - small.min(2)).mean() / 255)
