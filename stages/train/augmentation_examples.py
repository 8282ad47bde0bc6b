"""A picture of what the network is fed."""

from pathlib import Path

import numpy as np

from cxr.plotting.figures import contact_sheet
from stages.train.data import Images

VERSIONS = 3
COLUMNS = 6


def draw_augmented(path: Path, images: Images, classes: list[str]) -> None:
    """Draw training images as they are, and below each what became of it in the first epochs.

    Args:
        images: of training, with augmentation.
    """
    each = max(1, COLUMNS // len(classes))
    positions = []
    for number in range(len(classes)):
        of_class = np.flatnonzero(images.side.labels == number)
        # Far apart in the table, so that they are not of one patient.
        positions += [int(position) for position in of_class[:: -(-len(of_class) // each)]]
    plain = Images(images.path, images.side, images.seed, None)
    sheet = [*plain.__getitems__([(0, position, 0) for position in positions])[0].numpy()]
    captions = [classes[images.side.labels[position]] for position in positions]
    for epoch in range(VERSIONS):
        sheet += [*images.__getitems__([(epoch, position, 0) for position in positions])[0].numpy()]
        captions += [f"epoch {epoch + 1}"] * len(positions)
    contact_sheet(
        path,
        sheet,
        captions,
        len(positions),
        "Training images: original, and as the network sees them",
    )
