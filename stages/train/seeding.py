"""Seeds derived from their purpose and identity, not from what was drawn before."""

import zlib

import numpy as np


def seed_sequence(purpose: str, *identity: int) -> np.random.SeedSequence:
    """Return a separate seed for each purpose and identity (run's seed, epoch, image...).

    The purpose separates uses with the same identity. NumPy itself treats [0, 1] and [0, 1, 0] as
    equal.
    """
    return np.random.SeedSequence([zlib.crc32(purpose.encode()), *identity])
