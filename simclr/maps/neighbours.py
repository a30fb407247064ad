"""The exact nearest neighbours of every point of a space among all others."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

# Points whose neighbours are looked for at a time: some hundred milliseconds, after which one may stop.
AT_ONCE = 2048


class Neighbours:
    """Nearest others of every point, the nearest first.

    Attributes:
        indices: int64, shape (N, k).
        distances: Euclidean, float32, shape (N, k), ascending.
    """

    def __init__(self, indices: NDArray[np.int64], distances: NDArray[np.float32]) -> None:
        self.indices, self.distances = indices, distances


def nearest_others(
    points: NDArray[np.float32], k: int, on_block: Callable[[int, int], None] = lambda _done, _n: None
) -> Neighbours:
    """The ``k`` nearest others of every point by Euclidean distance, exact; a point is never its own neighbour.

    Args:
        points: float32, shape (N, D).
        k: From 1 to N - 1.
        on_block: Told how many points of how many are done; may raise to stop.

    Raises:
        ValueError: ``k`` is out of range.
    """
    if not 1 <= k < len(points):
        raise ValueError(f"{k} neighbours are asked for among {len(points)} points: ask for 1 to {len(points) - 1}")
    import faiss  # only whoever looks for neighbours pays for loading it

    index = faiss.IndexFlatL2(points.shape[1])
    index.add(np.ascontiguousarray(points))
    indices = np.empty((len(points), k), np.int64)
    squared = np.empty((len(points), k), np.float32)
    blocks = [slice(start, min(start + AT_ONCE, len(points))) for start in range(0, len(points), AT_ONCE)]

    def look(rows: slice) -> int:
        # One more than asked for, as the point itself is among them; of many equal points it may have fallen out.
        near, found = index.search(np.ascontiguousarray(points[rows]), k + 1)
        others = found != np.arange(rows.start, rows.stop)[:, None]
        others[others.all(axis=1), -1] = False
        indices[rows], squared[rows] = found[others].reshape(-1, k), near[others].reshape(-1, k)
        return int(rows.stop)

    # A thread for each block: those that faiss starts itself wait for each other, which on a busy machine takes the longest.
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores, initializer=faiss.omp_set_num_threads, initargs=(1,)) as threads:
        on_block(0, len(points))
        for first in range(0, len(blocks), cores):
            on_block(max(threads.map(look, blocks[first : first + cores])), len(points))
    return Neighbours(indices, np.sqrt(np.maximum(squared, 0)))
