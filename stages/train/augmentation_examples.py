"""Examples of augmented training images."""

from pathlib import Path

import numpy as np
from PIL import Image

from cxr.pipeline.files import file_name
from stages.train.data import XrayDataset

EPOCHS = 3
COLUMNS = 6


def write_examples(folder: Path, dataset: XrayDataset, classes: list[str]) -> None:
    """Write `folder`/<class>.png: originals in the first row, then the augmented images of epochs.

    The images have no margin between them, so that they can be cut out again.

    Args:
        dataset: training images, with augmentation.
    """
    folder.mkdir()
    per_class = max(1, COLUMNS // len(classes))
    originals = XrayDataset(dataset.path, dataset.subset, dataset.seed, None)
    for target, name in enumerate(classes):
        members = np.flatnonzero(dataset.subset.targets == target)
        # Evenly spaced over the table, so that they are not all of one patient.
        positions = [int(position) for position in members[:: -(-len(members) // per_class)]]
        rows = [originals.__getitems__([(0, position, 0) for position in positions])[0].numpy()]
        for epoch in range(EPOCHS):
            keys = [(epoch, position, 0) for position in positions]
            rows.append(dataset.__getitems__(keys)[0].numpy())
        grid = np.concatenate([np.concatenate([*row], axis=1) for row in rows])
        Image.fromarray(grid).save(folder / f"{file_name(name)}.png")
