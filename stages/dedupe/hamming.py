"""Perceptual hashes compared: which pairs of images differ in few bits."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BITS = 256
BLOCK = 2048

# From so many hashes on, importing torch to ask for a GPU costs less than it can save.
ASK_FOR_GPU = 50_000


def bits(hashes: Sequence[str]) -> NDArray[np.int8]:
    """Hexadecimal hashes as rows of -1 and 1.

    Returns:
        int8 (N, 256).
    """
    if not len(hashes):
        return np.empty((0, BITS), np.int8)
    packed = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(len(hashes), -1)
    return np.unpackbits(packed, axis=1).astype(np.int8) * 2 - 1


def near_pairs(hashes: Sequence[str], distance: int) -> NDArray[np.int64]:
    """All pairs within one list whose hashes differ in at most `distance` bits.

    Returns:
        int64 (pairs, 3): first image, second image (first < second), distance; sorted.
    """
    return near_across(hashes, hashes, distance)


def near_across(first: Sequence[str], second: Sequence[str], distance: int) -> NDArray[np.int64]:
    """All pairs i < j for which `first[i]` and `second[j]` differ in at most `distance` bits.

    The Hamming distance of two ±1 vectors a and b of n bits is (n - a·b) / 2, so a blocked
    matrix product finds all pairs; sums of 256 ones are exact in float32, and in float16 with
    float32 sums on a GPU. Memory is bounded by the block, not by the number of images.

    Args:
        first, second: hashes of the same images, N each; `second` may be of turned ones.

    Returns:
        int64 (pairs, 3): i, j, distance; sorted.
    """
    rows, others = bits(first), bits(second)
    least = BITS - 2 * distance
    found = [np.empty((0, 3), np.int64)]
    for top, left, products in blocks(rows, others, least, device(len(rows))):
        upper, lower = np.nonzero(products >= least)
        apart = (BITS - products[upper, lower]).astype(np.int64) // 2
        pairs = np.stack([upper + top, lower + left, apart], axis=1)
        found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    pairs = np.concatenate(found)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def device(count: int) -> str:
    """Where to multiply: cuda if there is one and enough to do, else numpy, on the CPU."""
    if count < ASK_FOR_GPU:
        return "numpy"
    import torch

    return "cuda" if torch.cuda.is_available() else "numpy"


def blocks(
    rows: NDArray[np.int8], others: NDArray[np.int8], least: int, device: str
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """Blocks of the upper half of `rows @ others.T` that hold a product of at least `least`.

    Almost all hold none, which their largest product tells faster than a list of places, and
    which spares them the way from the GPU.

    Args:
        device: numpy, or a device of torch.

    Yields:
        first row, first column, float32 (up to 2048, up to 2048).
    """
    a: Any
    b: Any
    a, b = (rows, others) if device == "numpy" else on_device(rows, others, device=device)
    for top in range(0, len(rows), BLOCK):
        upper = factors(a[top : top + BLOCK])
        for left in range(top, len(rows), BLOCK):
            product = upper @ factors(b[left : left + BLOCK]).T
            if product.max() >= least:
                yield top, left, product if device == "numpy" else product.float().cpu().numpy()


def on_device(*arrays: NDArray[np.int8], device: str) -> Any:
    """Arrays as tensors on a device of torch."""
    import torch

    return [torch.from_numpy(array).to(device) for array in arrays]


def factors(rows: Any) -> Any:
    """Rows in the type that is multiplied, block by block, since it takes four times the memory."""
    return rows.astype(np.float32) if isinstance(rows, np.ndarray) else rows.half()
