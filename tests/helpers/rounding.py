"""The largest rounding error to expect between float32 results that should be equal."""

import math

# Terms that simple_cnn adds up in sequence, forward and backward: nine pixels of each input channel
# of its four convolutions, and the inputs of its two dense layers.
SIMPLE_CNN = 2 * (9 * (1 + 32 + 64 + 128) + 128 + 128)


def rounding(terms: int, size: float = 1.0) -> float:
    """Largest difference to expect between float32 sums of the same terms in different orders.

    Adding a term has a relative rounding error of up to 2^-24. The errors accumulate like a random
    walk, with the square root of their number (Higham and Mary 2019, doi:10.1137/18M1226312). Six
    standard deviations are allowed, and both sums have errors.

    Args:
        terms: the number of terms; for nested sums, of all sums together.
        size: magnitude of the result, or of the sum of absolute terms if they cancel.
    """
    return 6 * math.sqrt(2 * terms) * 2**-24 * size
