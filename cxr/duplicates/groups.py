"""Images that belong together: connected components of a graph over images."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def components(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int32]:
    """Number the connected components of `count` images joined by pairs.

    Args:
        pairs: int (P, 2), positions of images that belong together.

    Returns:
        int32 (count,): images with the same number are joined, directly or through others.
    """
    joined = np.ones(len(pairs), bool)
    graph = coo_array((joined, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1]
