"""Small inputs for tests, in the form in which the previous stages write them."""

from pathlib import Path

import numpy as np
import pandas as pd

from cxr.pipeline import tables

CLASSES = ("COVID", "Lung_Opacity", "Normal")


def prepared(
    folder: Path,
    images: int = 60,
    size: int = 32,
    classes: tuple[str, ...] = CLASSES,
    seed: int = 0,
) -> Path:
    """Write pixels.npy, masks.npy, lesions.npy and split.csv of an easy task into a folder.

    The images are noise with a bright square, whose place depends on the class; the left half is
    the "lung". Two images of each patient; 60 % training, 20 % validation, 20 % test.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    pixels = random.normal(90, 25, (images, size, size))
    patient = np.arange(images) // 2
    label = patient % len(classes)
    lesions = np.zeros((images, size, size), np.uint8)
    for row in range(images):
        corner = (label[row] + 1) * size // (len(classes) + 2)
        square = slice(corner, corner + size // 4)
        pixels[row, square, square] += 90
        lesions[row, square, square] = 1
    np.save(folder / "pixels.npy", pixels.clip(0, 255).astype(np.uint8))
    masks = np.zeros((images, size, size), np.uint8)
    masks[:, :, : size // 2] = 1
    np.save(folder / "masks.npy", masks)
    np.save(folder / "lesions.npy", lesions)
    sides = np.repeat(["train", "val", "test"], [images * 6 // 10, images * 2 // 10, images])[
        :images
    ]
    table = pd.DataFrame(
        {
            "image": [f"{classes[label[row]]}/{row:03}.png" for row in range(images)],
            "row": range(images),
            "target": [classes[number] for number in label],
            "patient": [f"p{number}" for number in patient],
            "split_group": [f"p{number}" for number in patient],
            "source": ["hospital-a" if number % 2 else "hospital-b" for number in patient],
            "split": sides,
        }
    )
    tables.write(folder / "split.csv", table, tables.Split)
    return folder
