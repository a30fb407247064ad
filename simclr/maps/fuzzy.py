"""The fuzzy graph of UMAP: how strongly each point holds another for its neighbour.

Source: McInnes, Healy & Melville 2018, arXiv:1802.03426, sec. 3 and algorithms 2 and 3.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse  # type: ignore[import-untyped]

from simclr.maps.neighbours import Neighbours

BISECTIONS = 64
# A scale is at least this share of the mean distance, lest equal points have none.
SMALLEST_SCALE = 1e-3

Distances = NDArray[np.float32]
Scales = NDArray[np.float64]


def smooth_distances(distances: Distances) -> tuple[Scales, Scales]:
    """Each point's ``rho`` and ``sigma``, float64, shape (N,).

    ``rho`` is the distance of the nearest other that does not lie in the same place, 0 where all do; ``sigma`` solves
    Σ exp(-max(0, d - rho) / sigma) = log2(k) by bisection.

    Args:
        distances: To the k nearest others, ascending, shape (N, k).

    Source: algorithm 3; the least scale is the published code's.
    """
    wide = distances.astype(np.float64)
    rho = np.where(wide > 0, wide, np.inf).min(axis=1)
    rho[~np.isfinite(rho)] = 0
    beyond = np.maximum(wide - rho[:, None], 0)
    target = np.log2(wide.shape[1])
    low, high = np.zeros(len(wide)), np.full(len(wide), np.inf)
    sigma = np.ones(len(wide))
    for _ in range(BISECTIONS):
        is_too_wide = np.exp(-beyond / sigma[:, None]).sum(axis=1) > target
        high = np.where(is_too_wide, sigma, high)
        low = np.where(is_too_wide, low, sigma)
        sigma = np.where(np.isinf(high), 2 * sigma, (low + high) / 2)
    own_mean = wide.mean(axis=1)
    least = SMALLEST_SCALE * np.where(rho > 0, own_mean, max(float(own_mean.mean()), np.finfo(np.float64).tiny))
    return rho, np.maximum(sigma, least)


def fuzzy_graph(neighbours: Neighbours) -> sparse.csr_array:
    """Symmetric memberships in (0, 1], sparse of shape (N, N): a + b - a b of what the two ends say of each other.

    Source: algorithm 2 and sec. 3.1, the probabilistic t-conorm.
    """
    n, k = neighbours.indices.shape
    rho, sigma = smooth_distances(neighbours.distances)
    beyond = np.maximum(neighbours.distances - rho[:, None], 0)
    said = np.exp(-beyond / sigma[:, None])
    directed = sparse.csr_array((said.ravel(), neighbours.indices.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    back = directed.T.tocsr()
    graph = (directed + back - directed.multiply(back)).tocsr()
    graph.sort_indices()
    return graph
