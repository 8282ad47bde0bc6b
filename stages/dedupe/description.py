"""What candidates are found by: perceptual hashes and small pictures of each image's frames."""

from typing import NamedTuple

import cv2
import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from cxr.images.phash import phashes
from stages.dedupe.frames import FRAMES, all_frames, apply_symmetry
from stages.dedupe.hamming import BITS, packed
from stages.dedupe.registration import View

# Side of the small pictures.
SIDE = 24
BLOCK = 128


class Description(NamedTuple):
    """Arrays that describe N images; `describe` fills them.

    Attributes:
        known: bool (N,), whether an image is described.
        hashes: uint8 (4, N, 32), those of the four frames.
        small: int8 (4, N, 576), the frames at 24 x 24 without their slow changes of grey. Sums of
            their products are exact.
    """

    known: NDArray[np.bool_]
    hashes: NDArray[np.uint8]
    small: NDArray[np.int8]


def undescribed(count: int) -> Description:
    """Room for the description of `count` images."""
    return Description(
        np.zeros(count, bool),
        np.empty((FRAMES, count, BITS // 8), np.uint8),
        np.empty((FRAMES, count, SIDE * SIDE), np.int8),
    )


def describe(
    images: Description, thumbnails: NDArray[np.uint8], rows: NDArray[np.int64], symmetry: int
) -> None:
    """Describe the images that are not known yet, turned by a symmetry.

    Args:
        thumbnails: uint8 (rows, 64, 64), may be memory-mapped.
        rows: of the N images.
    """
    new = np.flatnonzero(~images.known)
    blocks = [new[start : start + BLOCK] for start in range(0, len(new), BLOCK)]
    found = Parallel(n_jobs=-1, return_as="generator")(
        # Workers map the file of thumbnails themselves: joblib sends its name, not its content.
        delayed(describe_block)(thumbnails, rows[block], symmetry)
        for block in blocks
    )
    for block, (hashes, small) in zip(blocks, found, strict=True):
        images.hashes[:, block] = hashes
        images.small[:, block] = small
    images.known[:] = True


def describe_block(
    thumbnails: NDArray[np.uint8], rows: NDArray[np.int64], symmetry: int
) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """The hashes and small pictures of some images, on one core."""
    cv2.setNumThreads(1)
    turned = apply_symmetry(thumbnails[rows], symmetry)
    frames = np.stack([all_frames(thumbnail) for thumbnail in turned], axis=1)
    hashes = np.stack([packed(phashes(list(images))) for images in frames])
    return hashes, np.stack([[coarse(image) for image in images] for images in frames])


def coarse(image: NDArray[np.uint8]) -> NDArray[np.int8]:
    """A frame as 24 x 24 levels of mean 0 and contrast about 1 = 50: int8 (576,)."""
    normalized = View(image).normalized
    small = cv2.resize(normalized, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.rint((small - small.mean()) * 50).clip(-127, 127).astype(np.int8).ravel()
