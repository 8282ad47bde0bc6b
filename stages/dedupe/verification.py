"""Candidates verified: the files' own pixels are laid over each other and compared in detail."""

from functools import cache, lru_cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from PIL import Image

from cxr.images.decode import UnusableError, decode
from cxr.images.resize import resize
from cxr.images.thumbnail import DETAIL, SIDE
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import Prepare
from stages.dedupe.frames import apply_symmetry, cut, frame_box
from stages.dedupe.registration import View, agreement, align, enlarge

# Pairs of which the thumbnails agree less than this are not decoded: all known copies reach 0.4,
# one in fifty of the candidates that are none does.
LEAST_AGREEMENT = 0.35
# Below this, it is not worth a try which of the two is laid over the other.
HOPELESS = 0.4
# From this on, the other direction of registration can't change the outcome.
CLEAR = 0.7
IDENTITY = np.eye(2, 3, dtype=np.float32)
STEPS_THUMBNAIL, STEPS_HALF = 10, 5
PAIR = ["first", "second", "frame_first", "frame_second", "symmetry"]
"""What of a candidate decides how its two files are compared."""
# Pairs that one worker is given at a time. Pairs of one image lie beside each other.
BLOCK = 64


def verify(
    candidates: pd.DataFrame,
    thumbnails: NDArray[np.uint8],
    rows: NDArray[np.int64],
    paths: list[Path],
    settings: Prepare,
    least: float,
) -> NDArray[np.float64]:
    """How much of the detail of each pair agrees, see `registration.agreement`.

    The first of two is laid over the second, and only if that does not succeed, the second over the
    first. `find_pairs` therefore orders the files by their content.

    Args:
        candidates: see `candidates.find_candidates`.
        thumbnails: uint8 (rows, 64, 64).
        rows, paths: of the N images that `candidates` counts.
        settings: for decoding, but for the size of the images.
        least: from which agreement on a pair is a duplicate, and a better one needs no search.

    Returns:
        float (pairs,), with two digits, so that it is the same on any machine.

    Raises:
        UserError: if a file can't be read any more.
    """
    pairs = candidates[PAIR].to_numpy(np.int64)
    blocks = (pairs[start : start + BLOCK] for start in range(0, len(pairs), BLOCK))
    found = Parallel(n_jobs=-1, return_as="generator")(
        # Workers map the file of thumbnails themselves: joblib sends its name, not its content.
        delayed(verify_block)(block, thumbnails, files_of(block, rows, paths), settings, least)
        for block in blocks
    )
    return np.array([value for values in found for value in values], np.float64)


def files_of(
    pairs: NDArray[np.int64], rows: NDArray[np.int64], paths: list[Path]
) -> dict[int, tuple[int, Path]]:
    """The row of the thumbnail, and the path, of each image of some pairs, by its position."""
    return {place: (int(rows[place]), paths[place]) for place in np.unique(pairs[:, :2]).tolist()}


def verify_block(
    pairs: NDArray[np.int64],
    thumbnails: NDArray[np.uint8],
    files: dict[int, tuple[int, Path]],
    settings: Prepare,
    least: float,
) -> list[float]:
    """Verify some pairs on one core, decoding each file once.

    Args:
        pairs: (pairs, 5), the columns `PAIR`.
        files: see `files_of`.
    """
    cv2.setNumThreads(1)

    @cache
    def small(place: int, frame: int, symmetry: int) -> View:
        whole = thumbnails[files[place][0]]
        part = cut(Image.fromarray(whole), frame_box(whole, frame), SIDE)
        return View(apply_symmetry(part, symmetry))

    @cache
    def grey(place: int) -> Image.Image:
        return shrunk(decoded(files[place][1], settings))

    @lru_cache(maxsize=BLOCK)
    def large(place: int, frame: int, symmetry: int) -> View:
        box = frame_box(thumbnails[files[place][0]], frame)
        return View(apply_symmetry(cut(grey(place), box, DETAIL), symmetry))

    found = []
    for first, second, frame, other, symmetry in pairs.tolist():
        one, two = (first, frame, 0), (second, other, symmetry)
        warp, backward = registered(small(*one), small(*two))
        found.append(
            0.0 if warp is None else compare(large(*one), large(*two), warp, backward, least)
        )
    return found


def registered(first: View, second: View) -> tuple[NDArray[np.float32] | None, bool]:
    """Lay two thumbnails over each other, in the direction in which they agree better.

    Returns:
        the map, None if they do not agree; and whether it is from the second to the first.
    """
    forward = align(first, second, IDENTITY, STEPS_THUMBNAIL)
    agree = agreement(first, second, forward)
    if agree >= CLEAR:
        return forward, False
    backward = align(second, first, IDENTITY, STEPS_THUMBNAIL)
    other = agreement(second, first, backward)
    if max(agree, other) < LEAST_AGREEMENT:
        return None, False
    return (backward, True) if other > agree else (forward, False)


def compare(
    first: View, second: View, warp: NDArray[np.float32], backward: bool, least: float
) -> float:
    """How much of the detail of two pictures agrees, given the map between their thumbnails."""
    if backward:
        first, second = second, first
    agree = agreement(first, second, enlarge(warp, DETAIL / SIDE))
    # Most copies were scaled only: their thumbnails tell where they lie.
    if agree >= (1 + least) / 2:
        return round(agree, 2)
    # Half the size tells where they lie to a tenth of a pixel.
    warp = align(first.half, second.half, enlarge(warp, DETAIL / SIDE / 2), STEPS_HALF)
    warp = enlarge(warp, 2)
    agree = agreement(first, second, warp)
    if HOPELESS <= agree < least:
        inverse = cv2.invertAffineTransform(warp).astype(np.float32)
        agree = max(agree, agreement(second, first, inverse))
    return round(agree, 2)


def decoded(path: Path, settings: Prepare) -> Image.Image:
    """Decode a file that `prepare` could decode.

    Raises:
        UserError: if it is there no more, or no image.
    """
    try:
        return decode(path.read_bytes(), settings, DETAIL).grey
    except (OSError, UnusableError) as error:
        raise UserError(
            f"{path} can't be read any more ({error}): was it changed after the stage prepare? "
            "Remove data/images.csv and run `dvc repro` again."
        ) from error


def shrunk(grey: Image.Image) -> Image.Image:
    """Not larger than JPEGs are decoded either, since those of a block are all kept."""
    longest = 3 * DETAIL
    if min(grey.size) <= longest:
        return grey
    factor = longest / min(grey.size)
    size = (round(grey.width * factor), round(grey.height * factor))
    return resize(grey, size, (0, 0, *grey.size))
