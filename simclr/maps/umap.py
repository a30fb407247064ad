"""UMAP: a map that keeps neighbours together. Written for the lab (docs/adr/0012), as reproducible as its seed."""

import numpy as np
from numpy.typing import NDArray

from simclr.map_config import MapConfig
from simclr.maps.fuzzy import fuzzy_graph
from simclr.maps.layout import Moment, Pull, fit_curve, lay_out
from simclr.maps.neighbours import Neighbours, nearest_others
from simclr.maps.pca import pca_map, scaled
from simclr.maps.progress import MapProgress

# From so many points on fewer epochs do, as in the published code.
MANY, EPOCHS, EPOCHS_OF_MANY = 10_000, 500, 200
JITTER = 1e-4


def umap(
    points: NDArray[np.float32],
    config: MapConfig,
    progress: MapProgress | None = None,
    start: NDArray[np.float32] | None = None,
    begun: tuple[Neighbours, Moment] | None = None,
) -> NDArray[np.float32]:
    """Map points so that near ones stay near: float32, shape (N, 2).

    Args:
        points: float32, shape (N, D), compared by Euclidean distance; of unit rows that is the order of the cosine.
        config: Same points, config and start: the same map, on any machine with the same NumPy to the bit.
        progress: Told before every epoch, and between blocks of neighbours; may stop it.
        start: The map of the same points before this one, from which it begins and to which it is held with
            ``config.pull``; without it the two principal components.
        begun: What ``progress`` was told of this very map before; it goes on from there to the same map.

    Raises:
        ValueError: there are not more points than neighbours.
        Stopped: ``progress`` was asked to stop.

    Source: McInnes, Healy & Melville 2018, arXiv:1802.03426.
    """
    check_enough(len(points), config.neighbours)
    epochs = epochs_for(len(points), config)
    progress = progress or MapProgress(1, epochs)
    neighbours = begun[0] if begun else nearest_others(points, config.neighbours, progress.looked)
    first: NDArray[np.float32] | Moment
    if begun:
        first = begun[1]
    elif start is not None:
        first = start
    else:
        jitter = np.random.default_rng(config.seed).normal(scale=JITTER, size=(len(points), 2)).astype(np.float32)
        first = scaled(pca_map(points).places) + jitter
    pull = Pull(start, config.pull) if start is not None else None

    def moved(moment: Moment) -> None:
        progress.moved(neighbours, moment)

    return lay_out(fuzzy_graph(neighbours), first, fit_curve(config.min_dist), epochs, config.seed, moved, pull)


def epochs_for(n: int, config: MapConfig) -> int:
    """As many as asked for, else as the published code takes for ``n`` points."""
    return config.epochs or (EPOCHS if n <= MANY else EPOCHS_OF_MANY)


def check_enough(n: int, neighbours: int) -> None:
    """Refuse maps of too few points.

    Raises:
        ValueError: ``n`` is not larger than ``neighbours``; says what would do.
    """
    if n <= neighbours:
        advice = f"choose {n - 1} or fewer" if n > 2 else "a UMAP needs at least 3 images"
        raise ValueError(f"neighbours is {neighbours}, but the set has {n} images: {advice}, or use PCA")
