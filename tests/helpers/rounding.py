"""How far two float32 results may lie apart that are the same by arithmetic."""

import math

# What the small network of the project sums one after another, there and back: nine pixels of
# each channel that its four convolutions read, and the inputs of its two dense layers.
SIMPLE_CNN = 2 * (9 * (1 + 32 + 64 + 128) + 128 + 128)


def rounding(terms: int, size: float = 1.0) -> float:
    """Largest difference to expect of two float32 sums of the same terms in different orders.

    Adding a term moves the sum by up to 2^-24 of its size. These errors add up like a random walk,
    to the square root of their number (Higham and Mary 2019, doi:10.1137/18M1226312). Six standard
    deviations are allowed, and both sums err.

    Args:
        terms: the number of terms; of sums of sums, those of all of them together.
        size: the size of the result, or of the terms together where they cancel.
    """
    return 6 * math.sqrt(2 * terms) * 2**-24 * size
