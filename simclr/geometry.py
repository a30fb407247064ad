"""How a representation lies in its space: whether pairs meet, whether it spreads, whether it has collapsed.

All measures are plain numbers without a gradient, computed in float32 or better also under autocast, on the features' device.
"""

import math
from collections.abc import Callable
from functools import wraps
from typing import NamedTuple, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from simclr.blocked import logsumexp_of_others

P = ParamSpec("P")
R = TypeVar("R")
# Similarities held at a time by contrastive_ranks: 16 MiB.
BLOCK = 1 << 22
# Similarities closer than this are equal: a float32 product of unit rows is no more certain.
TIE = 1e-6


class ContrastiveRanks(NamedTuple):
    """How well views find their partner: shares in [0, 1], and the mean rank from 1, where 1 is first."""

    top1: float
    top5: float
    mean_rank: float


def _measure(function: Callable[P, R]) -> Callable[P, R]:
    """Measure without a gradient and without autocast, which would round products to half precision."""

    @wraps(function)
    def measured(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch.no_grad(), torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False):
            return function(*args, **kwargs)

    return measured


@_measure
def alignment(first: Tensor, second: Tensor) -> float:
    """Mean squared distance between the two views of an image on the unit sphere.

    Args:
        first: Features of view one, float, shape (N, D). Normalised here, so any scale will do.
        second: Features of view two, same shape; row i is the same image as in ``first``.

    Returns:
        In [0, 4]; 0 when every pair coincides, about 2 for features that have nothing to do with each other.

    Raises:
        ValueError: the shapes differ or are not (N, D), or N is 0.

    Source: Wang & Isola 2020, arXiv:2005.10242, sec. 4.1 with alpha = 2.
    """
    _check_pairs(first, second, least=1)
    return float((_unit(first) - _unit(second)).square().sum(dim=1).mean())


@_measure
def uniformity(z: Tensor, t: float = 2) -> float:
    """Logarithm of the mean Gaussian potential exp(-t |a - b|²) over all pairs of different rows on the unit sphere.

    Args:
        z: Features, float, shape (M, D), M at least 2. Normalised here. Half the matrix of pairs is computed, in strips.
        t: How fast the potential falls with the squared distance, above 0.

    Returns:
        In [-4t, 0]: 0 when all rows coincide, lower is more even; -2t at best for many rows in many dimensions, to which it
        tends for large D.

    Raises:
        ValueError: ``z`` is not (M, D) with M at least 2, or ``t`` is not above 0.

    Source: Wang & Isola 2020, arXiv:2005.10242, sec. 4.1.
    """
    _check_rows(z, least=2)
    if not t > 0:
        raise ValueError(f"t is {t} but must be above 0; the paper uses 2")
    # |a - b|² = 2 - 2ab for unit rows, so the potential's logarithm is 2t·ab - 2t.
    sums = logsumexp_of_others(_unit(z) * math.sqrt(2 * t), 2 * t)
    # Rounding may lift rows that coincide a little above 0.
    return min(0.0, float(sums.double().logsumexp(dim=0)) - 2 * t - math.log(len(z) * (len(z) - 1)))


@_measure
def effective_rank(features: Tensor) -> float:
    """Dimensions that the features really use: the exponential of the entropy of their singular values, RankMe.

    Args:
        features: Float, shape (N, D), neither centred nor normalised here, as in the source. Work grows with
            N · D · min(N, D): singular values come from the smaller Gram matrix in float64, good to 1e-8 of the largest.

    Returns:
        From 1, for features that are all the same or zero, to min(N, D) (times 1 + 2e-6 · min(N, D), which the source's ε
        can add).

    Raises:
        ValueError: ``features`` is not (N, D), is empty, or holds NaN or infinity.

    Source: Garrido et al. 2023, arXiv:2210.02885, eq. 1, with ε = 1e-7.
    """
    _check_rows(features, least=1)
    if not bool(features.isfinite().all()):
        raise ValueError(
            "features hold NaN or infinity and so have no rank: the encoder diverged; lower its learning rate"
        )
    wide = features.double()
    gram = wide @ wide.T if len(wide) < wide.shape[1] else wide.T @ wide
    values = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
    shares = values / values.sum().clamp(min=torch.finfo(values.dtype).tiny) + 1e-7
    return float(torch.exp(-(shares * shares.log()).sum()))


@_measure
def feature_std(features: Tensor) -> float:
    """Mean over dimensions of the standard deviation of unit-length rows: near 0 when a representation has collapsed.

    Args:
        features: Float, shape (N, D). Rows are normalised here.

    Returns:
        In [0, 1/√D]: 0 when all rows point the same way, 1/√D when they spread evenly. Divided by N, not N - 1.

    Raises:
        ValueError: ``features`` is not (N, D) or is empty.

    Source: Chen & He 2021, arXiv:2011.10566, sec. 4.1.
    """
    _check_rows(features, least=1)
    return float(_unit(features).std(dim=0, correction=0).mean())


@_measure
def contrastive_ranks(first: Tensor, second: Tensor) -> ContrastiveRanks:
    """The task that NT-Xent trains, as a game: for each of 2N views, the rank of its partner among the other 2N - 1.

    Args:
        first: Projections of view one, float, shape (N, D). Normalised here: similarity is cosine.
        second: Projections of view two, same shape; row i is the same image as in ``first``.

    Returns:
        Shares of views whose partner comes first, and among the first five, and the mean rank. Views as similar as the
        partner, to 1e-6, stand half before it and half behind: a collapsed representation has mean rank N and top-1 0 for
        N above 1. Chance is 1 / (2N - 1), 5 / (2N - 1) and N.

    Raises:
        ValueError: the shapes differ or are not (N, D), or N is 0.

    Source: Chen et al. 2020, arXiv:2002.05709, Table 5 (contrastive accuracy).
    """
    _check_pairs(first, second, least=1)
    views, n = torch.cat((_unit(first), _unit(second))), len(first)
    partners = torch.arange(2 * n, device=views.device).roll(n)
    rows = max(1, BLOCK // (2 * n))
    ranks = torch.cat([_ranks(views, partners, start, rows) for start in range(0, 2 * n, rows)])
    return ContrastiveRanks(
        float((ranks <= 1).double().mean()), float((ranks <= 5).double().mean()), float(ranks.mean())
    )


def _ranks(views: Tensor, partners: Tensor, start: int, rows: int) -> Tensor:
    """The partners' ranks for ``rows`` views from ``start`` on, float64, as halves occur."""
    similarity = views[start : start + rows] @ views.T
    # A view is not among its own others; further than any other, it stands behind every partner.
    similarity.diagonal(start).fill_(-math.inf)
    ahead = similarity - similarity.gather(1, partners[start : start + rows, None])
    before, level = (ahead > TIE).sum(dim=1), (ahead.abs() <= TIE).sum(dim=1)
    # The partner itself is one of those on its level.
    return 1 + before.double() + (level - 1) / 2


def _unit(features: Tensor) -> Tensor:
    wide = features if features.dtype == torch.float64 else features.float()
    return functional.normalize(wide, dim=1)


def _check_rows(features: Tensor, least: int) -> None:
    if features.ndim != 2 or len(features) < least or features.shape[1] == 0:
        raise ValueError(f"features of shape {tuple(features.shape)}: (N, D) is needed, with N at least {least}")


def _check_pairs(first: Tensor, second: Tensor, least: int) -> None:
    if first.shape != second.shape:
        raise ValueError(
            f"views of shapes {tuple(first.shape)} and {tuple(second.shape)}: both must be the same (N, D)"
        )
    _check_rows(first, least)
