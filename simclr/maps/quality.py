"""How much a map lies: trustworthiness, and the neighbours that map and space have in common."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Points whose neighbourhoods are looked at; the others are there as neighbours. 95 % intervals are then some 0.01 wide.
SAMPLED = 1000
BLOCK = 64


@dataclass(frozen=True)
class MapQuality:
    """Of ``sampled`` points' ``k`` nearest others among all ``n``.

    Attributes:
        trustworthiness: In [0, 1]; 1 where nobody is near in the map who is not near in the space, 0.5 of random maps.
        overlap: Share of the nearest in the space who are among the nearest in the map, in [0, 1].
        by_chance: ``overlap`` of a random map, k / (n - 1).
    """

    k: int
    n: int
    sampled: int
    trustworthiness: float
    overlap: float
    by_chance: float


def judge_map(
    points: NDArray[np.float32], places: NDArray[np.float32], k: int = 10, sampled: int = SAMPLED, seed: int = 0
) -> MapQuality | None:
    """Compare who is near in a map with who is near in the space; None where there are not enough points, 2k + 1, to tell.

    Args:
        points: The space, float32, shape (N, D).
        places: The map, float32, shape (N, 2).
        k: Nearest others that count.
        sampled: Points to look at, drawn by ``seed``; of fewer points all.

    Source: Venna & Kaski 2001, ICANN, 485-491; of all points it equals scikit-learn's ``trustworthiness``.
    """
    n = len(points)
    if n < 2 * k + 1:
        return None
    chosen = np.arange(n) if n <= sampled else np.sort(np.random.default_rng(seed).choice(n, sampled, replace=False))
    norms = np.square(points).sum(axis=1)
    intruded, shared = 0, 0
    for start in range(0, len(chosen), BLOCK):
        rows = chosen[start : start + BLOCK]
        in_space = norms - 2 * (points[rows] @ points.T)  # but for the row's own norm, squared distances
        in_map = np.square(places[rows, None] - places).sum(axis=2)
        for distances in (in_space, in_map):
            distances[np.arange(len(rows)), rows] = np.inf
        near_in_map = np.argpartition(in_map, k, axis=1)[:, :k]
        ranks = _ranks(in_space, near_in_map)
        intruded += int(np.maximum(ranks - k, 0).sum())
        shared += int((ranks <= k).sum())
    worst = len(chosen) * k * (2 * n - 3 * k - 1) / 2
    return MapQuality(
        k=k,
        n=n,
        sampled=len(chosen),
        trustworthiness=1 - intruded / worst,
        overlap=shared / (len(chosen) * k),
        by_chance=k / (n - 1),
    )


def _ranks(distances: NDArray[np.float32], places: NDArray[np.intp]) -> NDArray[np.int64]:
    """How near the columns ``places`` of each row are: 1 for the nearest. Of equally near ones all have the first's rank."""
    found = np.take_along_axis(distances, places, axis=1)
    counted = [(distances < column[:, None]).sum(axis=1) for column in found.T]
    return np.stack(counted, axis=1) + 1
