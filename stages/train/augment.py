"""Random augmentation of the training images, with albumentations on 8-bit grey."""

import random

import albumentations as A
import numpy as np
from numpy.typing import NDArray

from cxr.pipeline.params import Augment
from stages.train.seeding import seed_sequence


def build_transform(settings: Augment) -> A.Compose:
    """Build the augmentation from the settings; steps that are off are left out."""
    steps: list[A.BasicTransform] = []
    if settings.brightness or settings.contrast:
        steps.append(
            A.RandomBrightnessContrast(
                brightness_limit=settings.brightness, contrast_limit=settings.contrast, p=1.0
            )
        )
    if settings.gamma:
        percent = 100 * settings.gamma
        steps.append(A.RandomGamma(gamma_limit=(100 - percent, 100 + percent), p=1.0))
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
    if settings.horizontal_flip:
        steps.append(A.HorizontalFlip(p=settings.horizontal_flip))
    if settings.vertical_flip:
        steps.append(A.VerticalFlip(p=settings.vertical_flip))
    # Last, so that no later step smooths the noise or rotates the squares.
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


def augment(
    transform: A.Compose,
    image: NDArray[np.uint8],
    seed: int,
    epoch: int,
    row: int,
    repeat: int = 0,
) -> NDArray[np.uint8]:
    """Augment one image, with random numbers that depend on the four integers and nothing else.

    albumentations draws the same numbers in each worker and again in each epoch, and global seeds
    do not change that. So the transform is seeded for each image. (With its `set_random_seed`,
    all steps would draw the same numbers: the brighter an image, the further it would be rotated.)

    Args:
        image: uint8 (S, S).
        row: of the image in pixels.npy.
        repeat: how often this epoch has used the image before.

    Returns:
        uint8 (S, S).
    """
    generator = np.random.default_rng(seed_sequence("augmentation", seed, epoch, row, repeat))
    transform.set_random_state(generator, random.Random(int(generator.integers(2**63))))
    augmented: NDArray[np.uint8] = transform(image=image)["image"]
    return augmented
