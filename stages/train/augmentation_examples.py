"""Training images as the network sees them, kept for a picture."""

from pathlib import Path

import numpy as np
from PIL import Image

from cxr.pipeline.files import file_name
from stages.train.data import Images

VERSIONS = 3
COLUMNS = 6


def write_examples(folder: Path, images: Images, classes: list[str]) -> None:
    """Write `folder`/<class>.png: some images, and below each what became of it in each epoch.

    Of the first epochs. The images stand edge to edge, so that they can be cut out again.

    Args:
        images: of training, with augmentation.
    """
    folder.mkdir()
    each = max(1, COLUMNS // len(classes))
    plain = Images(images.path, images.side, images.seed, None)
    for number, name in enumerate(classes):
        of_class = np.flatnonzero(images.side.labels == number)
        # Far apart in the table, so that they are not of one patient.
        positions = [int(position) for position in of_class[:: -(-len(of_class) // each)]]
        rows = [plain.__getitems__([(0, position, 0) for position in positions])[0].numpy()]
        for epoch in range(VERSIONS):
            keys = [(epoch, position, 0) for position in positions]
            rows.append(images.__getitems__(keys)[0].numpy())
        grid = np.concatenate([np.concatenate([*row], axis=1) for row in rows])
        Image.fromarray(grid).save(folder / f"{file_name(name)}.png")
