"""Parts of a set as positions: stratified splits, a share of the labels, a few images of every class."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simclr.datasets.store import UNLABELLED

Indices = NDArray[np.int64]


def stratified_split(labels: NDArray[np.int64], shares: Sequence[float], seed: int = 0) -> list[Indices]:
    """Divide a set at random so that every part has each class in proportion; unlabelled images count as a class.

    Of every class, parts get their share rounded such that all images are used and no part is off by one image or more;
    the same seed gives the same parts.

    Args:
        labels: int64, shape (N,), -1 where unlabelled.
        shares: Of every part, positive, 1 in sum.
        seed: Draws who goes where.

    Returns:
        Positions of each part, ascending; together all of 0..N-1, each once.

    Raises:
        ValueError: ``shares`` are not positive or don't add up to 1.
    """
    if not shares or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise ValueError(f"shares are {list(shares)}, but must be positive and add up to 1")
    ends = np.cumsum(shares)[:-1]
    parts: list[list[Indices]] = [[] for _ in shares]
    for positions in _shuffled_classes(labels, np.arange(len(labels)), seed):
        for part, piece in zip(parts, np.split(positions, np.rint(ends * len(positions)).astype(int)), strict=True):
            part.append(piece)
    return [_together(part) for part in parts]


def label_fraction(labels: NDArray[np.int64], pool: Indices, fraction: float, seed: int = 0) -> Indices:
    """A share of every class's labelled images in ``pool``, one of each class at least, as of 1 % and 10 % of ImageNet's labels.

    A larger fraction under the same seed holds every smaller one.

    Args:
        labels: int64, shape (N,), -1 where unlabelled.
        pool: Positions to choose from, such as ``dataset.indices("train")``.
        fraction: In (0, 1].
        seed: Draws which.

    Returns:
        Positions, ascending.

    Raises:
        ValueError: ``fraction`` lies outside (0, 1].

    Source: Chen et al. 2020, arXiv:2002.05709, section 6 and appendix B.5: class-balanced 1 % and 10 %.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction is {fraction}, but must lie in (0, 1]")
    labelled = pool[labels[pool] != UNLABELLED]
    classes = _shuffled_classes(labels, labelled, seed)
    return _together([positions[: max(1, round(fraction * len(positions)))] for positions in classes])


def k_shot(labels: NDArray[np.int64], pool: Indices, k: int, seed: int = 0) -> Indices:
    """``k`` labelled images of every class in ``pool``; more shots under the same seed hold all fewer ones.

    Args:
        labels: int64, shape (N,), -1 where unlabelled.
        pool: Positions to choose from.
        k: Images of every class, at least 1.
        seed: Draws which.

    Returns:
        Positions, ascending.

    Raises:
        ValueError: ``k`` is less than 1, or a class in ``pool`` has fewer images.
    """
    if k < 1:
        raise ValueError(f"k is {k}, but must be at least 1")
    labelled = pool[labels[pool] != UNLABELLED]
    chosen = []
    for positions in _shuffled_classes(labels, labelled, seed):
        if len(positions) < k:
            raise ValueError(
                f"class number {labels[positions[0]]} has {len(positions)} images to choose from, but k is {k}: choose fewer"
            )
        chosen.append(positions[:k])
    return _together(chosen)


def _shuffled_classes(labels: NDArray[np.int64], positions: Indices, seed: int) -> list[Indices]:
    """Positions of each class in random order; a class's order depends on its own images and the seed alone."""
    return [
        np.random.default_rng([seed, int(label) + 1]).permutation(positions[labels[positions] == label])
        for label in np.unique(labels[positions])
    ]


def _together(pieces: list[Indices]) -> Indices:
    return np.sort(np.concatenate([np.empty(0, np.int64), *pieces]))
