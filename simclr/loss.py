"""NT-Xent, the loss of SimCLR."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Normalised temperature-scaled cross entropy of N pairs: every view must find its partner among all 2N - 1 other views.

    Args:
        first: Projections z of view one, float, shape (N, D). Normalised here, so any scale will do.
        second: Projections of view two, same shape; row i is the same image as in ``first``.
        temperature: The paper's τ; cosine similarities are divided by it.

    Returns:
        Scalar, float32 (float64 for float64 input), also under autocast: half precision would round the similarities.
        The mean over all 2N anchors. For N = 1 it is 0, since no negatives are left.

    Raises:
        ValueError: the shapes differ or are not (N, D), N is 0, or ``temperature`` is not above 0.

    Source: Chen et al. 2020, arXiv:2002.05709, eq. 1 and Algorithm 1.
    """
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(
            f"views of shapes {tuple(first.shape)} and {tuple(second.shape)}: both must be the same (N, D)"
        )
    if len(first) == 0:
        raise ValueError("no pairs were given (N = 0): NT-Xent needs at least one, and two to have negatives")
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature} but must be above 0; 0.1 to 0.5 is usual")
    n = len(first)
    with torch.autocast(first.device.type, enabled=False):
        views = torch.cat((first, second))
        if views.dtype != torch.float64:
            views = views.float()
        views = functional.normalize(views, dim=1)
        # The square root of the temperature on both sides spares a pass over the (2N, 2N) matrix.
        scaled = views / math.sqrt(temperature)
        similarity = scaled @ scaled.T
        similarity.fill_diagonal_(-math.inf)
        partner = (scaled[:n] * scaled[n:]).sum(dim=1)
        return similarity.logsumexp(dim=1).mean() - partner.mean()


def chance_level(n: int) -> float:
    """The loss of features that tell nothing apart, for ``n`` pairs: ln(2n - 1).

    Raises:
        ValueError: ``n`` is below 1.
    """
    if n < 1:
        raise ValueError(f"a batch of {n} pairs has no loss: at least 1 is needed")
    return math.log(2 * n - 1)
