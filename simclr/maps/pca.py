"""The two directions in which a space varies most."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Rows of a memory-mapped bank that are read at a time.
BLOCK = 8192


@dataclass(frozen=True)
class PcaMap:
    """``places``: float32, shape (N, 2). ``explained``: the share of the space's variance along each axis, in [0, 1]."""

    places: NDArray[np.float32]
    explained: tuple[float, float]


def pca_map(points: NDArray[np.float32]) -> PcaMap:
    """Project points to their first two principal components, of which each points to its largest loading.

    Args:
        points: float32, shape (N, D), N >= 1; may be a memory map, which is read twice.

    Raises:
        ValueError: there are no points.

    The signs of components are arbitrary; here the entry largest by size is positive, so equal points give equal maps. Where the
    space has one dimension, or no variance, the map is flat.
    """
    if len(points) == 0:
        raise ValueError("there are no points to map: embed a set with images")
    mean, covariance = _moments(points)
    variances, directions = np.linalg.eigh(covariance)
    axes = np.zeros((points.shape[1], 2))
    first = directions[:, ::-1][:, :2]
    largest = np.abs(first).argmax(axis=0)
    axes[:, : first.shape[1]] = first * np.sign(first[largest, np.arange(first.shape[1])])
    places = np.empty((len(points), 2), np.float32)
    for start in range(0, len(points), BLOCK):
        places[start : start + BLOCK] = (points[start : start + BLOCK] - mean) @ axes
    total = max(float(variances.clip(0).sum()), np.finfo(np.float64).tiny)
    shares = np.append(variances[::-1].clip(0) / total, 0.0)
    return PcaMap(places, (float(shares[0]), float(shares[1])))


def scaled(places: NDArray[np.float32], reach: float = 10.0) -> NDArray[np.float32]:
    """The same map with ``reach`` as its largest coordinate; one point, or many in one place, stay."""
    largest = float(np.abs(places).max())
    return places * np.float32(reach / largest) if largest > 0 else places


def _moments(points: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean, shape (D,), and covariance, shape (D, D)."""
    blocks = range(0, len(points), BLOCK)
    mean = sum(points[start : start + BLOCK].sum(axis=0, dtype=np.float64) for start in blocks) / len(points)
    covariance = np.zeros((points.shape[1], points.shape[1]))
    for start in blocks:
        centred = points[start : start + BLOCK] - mean.astype(np.float32)
        covariance += centred.T @ centred
    return np.asarray(mean), covariance / len(points)
