"""The ways in which copies of X-rays come about, for the benchmark of duplicates."""

import io
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Grey = NDArray[np.uint8]


def jpeg(quality: int) -> Callable[[Grey], Grey]:
    """Encode as JPEG and decode again."""

    def change(image: Grey) -> Grey:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=quality)
        return np.asarray(Image.open(buffer))

    return change


def resize(factor: float) -> Callable[[Grey], Grey]:
    """Scale both sides."""
    return lambda image: np.asarray(
        cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8
    )


def levels(change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Callable[[Grey], Grey]:
    """Change grey levels from 0 to 1."""
    return lambda image: (change(image / 255).clip(0, 1) * 255).astype(np.uint8)


def crop(share: float) -> Callable[[Grey], Grey]:
    """Cut a share of each side off, half at each end."""

    def change(image: Grey) -> Grey:
        high, wide = (round(length * share / 2) for length in image.shape)
        return image[high : image.shape[0] - high, wide : image.shape[1] - wide]

    return change


def border(share: float) -> Callable[[Grey], Grey]:
    """Add a black border of a share of each side."""
    return lambda image: np.pad(image, [(round(n * share / 2),) * 2 for n in image.shape])


def text(image: Grey) -> Grey:
    """Write a line over the image, as exporting programs do."""
    scale = image.shape[1] / 400
    return cv2.putText(
        image.copy(), "PORTABLE AP 12:04", (10, int(40 * scale)), 0, scale, 255, int(2 * scale) + 1
    )


def boxes(image: Grey) -> Grey:
    """Draw three frames, as readers mark findings."""
    high, wide = image.shape
    random = np.random.default_rng(int(image.sum()) % 1000)
    marked = image.copy()
    for _ in range(3):
        left, top = random.uniform(0.1, 0.6, 2)
        corner = (int(left * wide), int(top * high))
        opposite = (int((left + 0.25) * wide), int((top + 0.25) * high))
        cv2.rectangle(marked, corner, opposite, 255, max(2, wide // 100))
    return marked


def labels(image: Grey) -> Grey:
    """Cover a corner in black, as a name is removed, and another in white."""
    high, wide = image.shape
    covered = image.copy()
    covered[: high // 8, : wide // 3] = 0
    covered[-high // 10 :, wide // 2 :] = 255
    return covered


def square(image: Grey) -> Grey:
    """Pad to a square with black."""
    high, wide = image.shape
    side = max(high, wide)
    top, left = (side - high) // 2, (side - wide) // 2
    return np.pad(image, [(top, side - high - top), (left, side - wide - left)])


def rotate(degrees: float) -> Callable[[Grey], Grey]:
    """Rotate about the middle."""

    def change(image: Grey) -> Grey:
        high, wide = image.shape
        turn = cv2.getRotationMatrix2D((wide / 2, high / 2), degrees, 1)
        return np.asarray(cv2.warpAffine(image, turn, (wide, high)), np.uint8)

    return change


def noise(image: Grey) -> Grey:
    """Add noise of 8 grey levels."""
    grain = np.random.default_rng(0).normal(0, 8, image.shape)
    return (image + grain).clip(0, 255).astype(np.uint8)


def equalize(image: Grey) -> Grey:
    """Equalize the contrast locally."""
    return np.asarray(cv2.createCLAHE(2.0, (8, 8)).apply(image), np.uint8)


def lungs(image: Grey) -> Grey:
    """Make all black but two ovals, the same in all images: lungs that were cut out."""
    high, wide = image.shape
    mask = np.zeros_like(image)
    for middle in (0.3, 0.7):
        centre, radii = (int(middle * wide), high // 2), (int(0.16 * wide), int(0.33 * high))
        cv2.ellipse(mask, centre, radii, 0, 0, 360, 255, -1)
    return np.where(mask > 0, image, 0).astype(np.uint8)


CHANGES: dict[str, Callable[[Grey], Grey]] = {
    "JPEG 95": jpeg(95),
    "JPEG 60": jpeg(60),
    "JPEG 30": jpeg(30),
    "resized × 0.25": resize(0.25),
    "resized × 0.5": resize(0.5),
    "resized × 2": resize(2),
    "brighter": levels(lambda x: x + 0.15),
    "darker": levels(lambda x: x - 0.15),
    "contrast × 0.6": levels(lambda x: 0.5 + 0.6 * (x - 0.5)),
    "contrast × 1.4": levels(lambda x: 0.5 + 1.4 * (x - 0.5)),
    "gamma 0.6": levels(lambda x: x**0.6),
    "gamma 1.6": levels(lambda x: x**1.6),
    "local contrast": equalize,
    "noise": noise,
    "cropped 2 %": crop(0.02),
    "cropped 5 %": crop(0.05),
    "cropped 10 %": crop(0.1),
    "cropped 15 %": crop(0.15),
    "border 4 %": border(0.04),
    "border 10 %": border(0.1),
    "padded to a square": square,
    "rotated by 2°": rotate(2),
    "text overlay": text,
    "corners covered": labels,
    "three boxes": boxes,
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
}
LUNG_CHANGES = {
    "JPEG 60": jpeg(60),
    "resized × 0.5": resize(0.5),
    "gamma 0.6": levels(lambda x: x**0.6),
    "cropped 5 %": crop(0.05),
    "padded to a square": square,
    "rotated by 2°": rotate(2),
    "text overlay": text,
}
