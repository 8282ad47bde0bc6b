"""Which pairs of images may be copies, by perceptual hashes of their thumbnails."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.pipeline.params import Dedupe
from stages.dedupe.description import Description, describe, undescribed
from stages.dedupe.frames import COMPARED, WHOLE
from stages.dedupe.hamming import near_pairs

# Bits by which frames that fit differ less than whole pictures, which crops and borders move.
CLOSER = 16
# Candidates are also compared grey by grey, in small pictures: copies, even with boxes and writing
# on them, correlate at least this much.
LEAST_CORRELATION = 0.6
# So many of an image's candidates are verified for its sake, those that correlate best. It bounds
# the time that sets of very similar images take, such as lungs that were cut out.
MOST = 30
# Pairs whose small pictures are multiplied at a time: 20 MB.
PAIRS = 2**12

NO_CANDIDATES = pd.DataFrame(
    {
        **dict.fromkeys(["first", "second", "distance"], np.empty(0, np.int64)),
        "correlation": np.empty(0),
        **dict.fromkeys(["frame_first", "frame_second", "symmetry"], np.empty(0, np.int64)),
    }
)


def find_candidates(
    thumbnails: NDArray[np.uint8],
    rows: NDArray[np.int64],
    settings: Dedupe,
    upright: Description,
    known: pd.DataFrame,
) -> pd.DataFrame:
    """Find the pairs of images that may be copies.

    The hashes of some frames of the two differ in few bits: `settings.max_distance` for the whole
    pictures, less for others. With `settings.rotations_and_flips`, one of the two may also be
    flipped or rotated by 90°, 180° or 270°.

    Args:
        thumbnails: uint8 (rows, 64, 64), may be memory-mapped.
        rows: of the N images, which are of different files.
        upright: what is known of the images; the rest is filled in.
        known: the candidates among the images that are described already.

    Returns:
        `first`, `second` (positions, first < second), `distance` (bits), `correlation`, the frames
        of the two that correlate best, and the symmetry of the second; sorted, each pair once.
        Further columns of `known` are kept, NaN for the others.
    """
    new = ~upright.known
    describe(upright, thumbnails, rows, 0)
    found = [known, of_one_symmetry(upright, upright, settings.max_distance, 0, new)]
    for symmetry in range(1, 8 if settings.rotations_and_flips and new.any() else 1):
        turned = undescribed(len(rows))
        describe(turned, thumbnails, rows, symmetry)
        found.append(of_one_symmetry(upright, turned, settings.max_distance, symmetry, new))
    table = pd.concat(found, ignore_index=True)
    table = table.sort_values(
        ["first", "second", "correlation", "distance"], ascending=[True, True, False, True],
        kind="stable",
    )  # fmt: skip
    return table.drop_duplicates(["first", "second"], ignore_index=True)


def of_one_symmetry(
    upright: Description,
    turned: Description,
    max_distance: int,
    symmetry: int,
    new: NDArray[np.bool_],
) -> pd.DataFrame:
    """The candidates among images and images turned by a symmetry, at least one of them new."""
    pairs = []
    for first, second in COMPARED:
        limit = max_distance - (0 if first == second == WHOLE else CLOSER)
        found = near_pairs(upright.hashes[first], turned.hashes[second], max(limit, 0), new)
        pairs.append(pd.DataFrame(found, columns=["first", "second", "distance"]))
    table = pd.concat(pairs).groupby(["first", "second"], as_index=False)["distance"].min()
    places = table[["first", "second"]].to_numpy()
    correlations = np.stack(
        [correlate(upright.small[a], turned.small[b], places) for a, b in COMPARED], axis=1
    ).reshape(-1, len(COMPARED))
    best = correlations.argmax(axis=1)
    table["correlation"] = correlations.max(axis=1)
    table["frame_first"], table["frame_second"] = np.array(COMPARED, np.int64)[best].T
    table["symmetry"] = symmetry
    return table[table["correlation"] >= LEAST_CORRELATION]


def correlate(
    first: NDArray[np.int8], second: NDArray[np.int8], pairs: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The correlation of each pair's small frames, rounded; 0 for those of one grey."""
    found = [np.empty(0)]
    for start in range(0, len(pairs), PAIRS):
        a, b = (
            images[pairs[start : start + PAIRS, place]].astype(np.float32)
            for place, images in enumerate((first, second))
        )
        products = np.einsum("ij,ij->i", a, b)
        norms = np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b).astype(np.float64)
        found.append(products / np.sqrt(np.maximum(norms, 1)))
    return np.concatenate(found).round(4)


def among_best(candidates: pd.DataFrame) -> pd.Series:
    """Whether a pair is to be verified.

    It is if it is among the `MOST` best of those with the same first image, or the same second.
    """
    ordered = candidates.sort_values("correlation", ascending=False, kind="stable")
    close = [ordered.groupby(name).cumcount() < MOST for name in ("first", "second")]
    return (close[0] | close[1]).sort_index()
