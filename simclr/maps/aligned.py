"""Laying maps of the same points over each other, so that a point can be followed from one to the next."""

import numpy as np
from numpy.typing import NDArray


def turned_onto(places: NDArray[np.float32], before: NDArray[np.float32]) -> NDArray[np.float32]:
    """``places``, turned or mirrored and moved so that points lie nearest to where they were ``before``; distances stay.

    Both are float32 of shape (N, 2), row i the same image.

    Source: orthogonal Procrustes; Schönemann 1966, Psychometrika 31, 1-10.
    """
    middle, target = places.mean(axis=0), before.mean(axis=0)
    left, _, right = np.linalg.svd((places - middle).T @ (before - target))
    turned: NDArray[np.float32] = (places - middle) @ (left @ right) + target
    return turned
