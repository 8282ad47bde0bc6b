"""Whether a network that was trained on chest X-rays should have been asked about an image.

An image is doubted if it does not look like the training images (`cxr.models.ood`: a photograph, a
CT slice, an inverted film, an X-ray upside down), or if its file is in colour.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from cxr.images.decode import FORMATS
from cxr.models.ood import OodDetector

COLOURED = 0.05
"""Mean difference between an image's strongest and weakest colour, as a share of the full range.
Of 1,682 X-rays from three published sets, 1.8 % have more; of 60 parts of photographs, all."""
SIDE = 64


def doubts(distance: float, detector: OodDetector, colour: float) -> list[str]:
    """What speaks against an image, in words; nothing for one like the training images."""
    found = []
    if distance > detector.threshold:
        found.append(
            f"does not look like the training images (distance {distance:.1f}, theirs up to "
            f"{detector.threshold:.1f})"
        )
    if colour > COLOURED:
        found.append("is in colour, as no X-ray is")
    return found


def colourfulness(path: Path) -> float:
    """Mean difference between the strongest and the weakest colour of an image file, 0 to 1.

    Args:
        path: of a file that Pillow reads.
    """
    with Image.open(path, formats=FORMATS) as image:
        image.draft("RGB", (SIDE, SIDE))
        small = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX), float)
    return float((small.max(2) - small.min(2)).mean() / 255)
