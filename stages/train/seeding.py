"""Where random numbers come from: the seed and what they are for, never what was drawn before."""

import zlib

import numpy as np


def seeded(purpose: str, *identity: int) -> np.random.SeedSequence:
    """A seed of its own for each purpose and identity (the run's seed, the epoch, the image...).

    The purpose keeps apart what has the same identity; NumPy itself takes [0, 1] and [0, 1, 0]
    for the same.
    """
    return np.random.SeedSequence([zlib.crc32(purpose.encode()), *identity])
