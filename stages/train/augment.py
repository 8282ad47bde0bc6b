"""What training images go through, each time differently: albumentations on grey uint8."""

import random

import albumentations as A
import numpy as np
from numpy.typing import NDArray

from cxr.pipeline.params import Augment
from stages.train.seeding import seeded


def pipeline(settings: Augment) -> A.Compose:
    """The augmentation that the settings describe; what they switch off is left out."""
    steps: list[A.BasicTransform] = []
    if settings.brightness or settings.contrast:
        steps.append(
            A.RandomBrightnessContrast(
                brightness_limit=settings.brightness, contrast_limit=settings.contrast, p=1.0
            )
        )
    if settings.gamma:
        change = 100 * settings.gamma
        steps.append(A.RandomGamma(gamma_limit=(100 - change, 100 + change), p=1.0))
    if settings.clahe:
        steps.append(A.CLAHE(p=settings.clahe))
    if settings.rotate or settings.zoom or settings.shift:
        shift = (-settings.shift, settings.shift)
        steps.append(
            A.Affine(
                rotate=(-settings.rotate, settings.rotate),
                scale=(1 - settings.zoom, 1 + settings.zoom),
                translate_percent={"x": shift, "y": shift},
                keep_ratio=True,
                p=1.0,
            )
        )
    if settings.flip:
        steps.append(A.HorizontalFlip(p=settings.flip))
    if settings.vertical_flip:
        steps.append(A.VerticalFlip(p=settings.vertical_flip))
    # Last, so that nothing smooths the noise or turns the squares.
    if settings.noise:
        steps.append(A.GaussNoise(std_range=(0, settings.noise), p=1.0))
    if settings.erase:
        steps.append(
            A.CoarseDropout(
                num_holes_range=(1, 4),
                hole_height_range=(0.1, 0.2),
                hole_width_range=(0.1, 0.2),
                fill=0,
                p=settings.erase,
            )
        )
    return A.Compose(steps)


def augmented(
    transform: A.Compose,
    image: NDArray[np.uint8],
    seed: int,
    epoch: int,
    row: int,
    repeat: int = 0,
) -> NDArray[np.uint8]:
    """One image, changed by chance that depends on the four numbers and nothing else.

    albumentations draws the same stream in each worker and again in each epoch, and global
    seeds don't reach it; hence it is seeded for each image. (By its `set_random_seed`, each step
    would begin the same stream: the brighter an image, the further it would be turned.)

    Args:
        image: uint8 (S, S).
        row: of the image in pixels.npy.
        repeat: how often it has been shown in this epoch already.

    Returns:
        uint8 (S, S).
    """
    generator = np.random.default_rng(seeded("augmentation", seed, epoch, row, repeat))
    transform.set_random_state(generator, random.Random(int(generator.integers(2**63))))
    changed: NDArray[np.uint8] = transform(image=image)["image"]
    return changed
