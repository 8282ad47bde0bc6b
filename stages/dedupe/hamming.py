"""Perceptual hashes compared: which pairs of images differ in few bits."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

BITS = 256
# Rows and columns that are compared at a time: what lies between fits into a processor's cache.
STRIP, BLOCK = 64, 1024
# The same on a GPU.
GPU_BLOCK = 2048

# From so many pairs on, importing torch costs less time than a GPU can save ...
ASK_FOR_GPU = 50_000**2
# ... but it takes several hundred MB. One of these exists where there is a GPU: of NVIDIA, of AMD,
# or of Windows below Linux.
GPU_FILES = (Path("/dev/nvidiactl"), Path("/dev/kfd"), Path("/dev/dxg"))


def near_pairs(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    distance: int,
    new: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """All pairs i < j for which `first[i]` and `second[j]` differ in at most `distance` bits.

    Args:
        first, second: hashes of the same images, uint8 (N, 32) each; `second` may be of turned
            ones.
        new: (N,), pairs without any of these images are left out; by default, no pair is.

    Returns:
        int64 (pairs, 3): i, j, distance; sorted.
    """
    images = np.arange(len(first))
    if new is None:
        new = np.ones(len(first), bool)
    found = [
        near_among(first, second, rows, columns, distance)
        for rows, columns in ((images[new], images), (images[~new], images[new]))
    ]
    pairs = np.concatenate(found)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def near_among(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    distance: int,
) -> NDArray[np.int64]:
    """Compare `first[rows]` with `second[columns]`; a column before its row may be left out.

    Args:
        rows, columns: sorted.
    """
    a, b = first[rows], second[columns]
    starts = np.searchsorted(columns, rows)
    if use_gpu(len(a) * len(b)):
        found = near_on_device(a, b, starts, distance, "cuda")
    else:
        words = np.ascontiguousarray(b.view(np.uint64).T)
        found = Parallel(n_jobs=-1, prefer="threads")(
            delayed(near_of_strip)(a.view(np.uint64), words, starts, top, distance)
            for top in range(0, len(a), STRIP)
        )
    pairs = np.concatenate([np.empty((0, 3), np.int64), *found])
    return np.stack([rows[pairs[:, 0]], columns[pairs[:, 1]], pairs[:, 2]], axis=1)


def packed(hashes: Sequence[str]) -> NDArray[np.uint8]:
    """Hexadecimal hashes as bytes: uint8 (N, 32)."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, BITS // 8)


def near_of_strip(
    rows: NDArray[np.uint64],
    columns: NDArray[np.uint64],
    starts: NDArray[np.int64],
    top: int,
    distance: int,
) -> NDArray[np.int64]:
    """The pairs of some rows, from `top` on, with all columns from the start of the first.

    Args:
        rows: of four words, (N, 4).
        columns: those of the others, (4, M).
        starts: (N,), the first column of each row; ascending.

    Returns:
        int64 (pairs, 3): row, column, distance.
    """
    found = [np.empty((0, 3), np.int64)]
    strip = rows[top : top + STRIP]
    for left in range(int(starts[top]), columns.shape[1], BLOCK):
        block = columns[:, left : left + BLOCK]
        apart = np.zeros((len(strip), block.shape[1]), np.uint16)
        for word, others in enumerate(block):
            apart += np.bitwise_count(strip[:, word, None] ^ others)
        near = apart <= distance
        # Almost no block holds a pair, which is faster to tell than a list of places.
        if near.any():
            upper, lower = np.nonzero(near)
            found.append(np.stack([upper + top, lower + left, apart[near]], axis=1))
    return np.concatenate(found).astype(np.int64)


def use_gpu(pairs: int) -> bool:
    """Whether there is a GPU, and enough to do for it."""
    if pairs < ASK_FOR_GPU or not any(file.exists() for file in GPU_FILES):
        return False
    import torch

    return torch.cuda.is_available()


def near_on_device(
    rows: NDArray[np.uint8],
    others: NDArray[np.uint8],
    starts: NDArray[np.int64],
    distance: int,
    device: str,
) -> list[NDArray[np.int64]]:
    """The same pairs of all rows, on a device of torch.

    The Hamming distance of two ±1 vectors a and b of n bits is (n - a·b) / 2, so a matrix product
    finds all pairs. Products of float16 are summed in float32, where sums of 256 ones are exact.

    Returns:
        int64 (pairs, 3) for each block that holds any.
    """
    import torch

    a, b = (
        torch.from_numpy(np.unpackbits(bits, axis=1)).to(device).half() * 2 - 1
        for bits in (rows, others)
    )
    least = BITS - 2 * distance
    found = []
    for top in range(0, len(a), GPU_BLOCK):
        for left in range(int(starts[top]), len(b), GPU_BLOCK):
            product = a[top : top + GPU_BLOCK] @ b[left : left + GPU_BLOCK].T
            # Almost no block holds a pair: spare the rest the way from the GPU.
            if product.max() >= least:
                products = product.float().cpu().numpy()
                upper, lower = np.nonzero(products >= least)
                apart = (BITS - products[upper, lower]).astype(np.int64) // 2
                found.append(np.stack([upper + top, lower + left, apart], axis=1))
    return found
