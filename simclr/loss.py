"""The losses that pull the two views of an image together and push other images away: NT-Xent, DCL and SupCon.

All three share one costly term, the sum over all pairs of views, which ``blocked`` computes without ever holding the
similarity matrix; what pulls together costs no more than the features themselves. All are computed in float32, or in float64
for float64 input, also under autocast: half precision would round the similarities. They are differentiable once.

With ``gather=True`` in a distributed run, negatives come from all processes: each returns the loss of the whole batch, and
the gradients averaged over the processes, as DistributedDataParallel does it, are those of one process with the whole
batch. Every process must call with the same N and D.
"""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from simclr.blocked import logsumexp_of_others
from simclr.gathering import collect, gather_rows


def nt_xent(first: Tensor, second: Tensor, temperature: float, *, gather: bool = False) -> Tensor:
    """Normalised temperature-scaled cross entropy of N pairs: every view must find its partner among all 2N - 1 other views.

    Args:
        first: Projections z of view one, float, shape (N, D). Normalised here, so any scale will do.
        second: Projections of view two, same shape; row i is the same image as in ``first``.
        temperature: The paper's τ; cosine similarities are divided by it.
        gather: Take negatives from all processes of a distributed run; without one it changes nothing.

    Returns:
        Scalar, float32 (float64 for float64 input). The mean over all 2N anchors. For N = 1 it is 0, since no negatives are
        left; ``chance_level`` for features that tell nothing apart.

    Raises:
        ValueError: the shapes differ or are not (N, D), N is 0, or ``temperature`` is not above 0.

    Source: Chen et al. 2020, arXiv:2002.05709, eq. 1 and Algorithm 1.
    """
    _check(first, second, temperature, "NT-Xent")
    with torch.autocast(first.device.type, enabled=False):
        views = _scaled_views(first, second, temperature, gather)
        push = logsumexp_of_others(views, 1 / temperature, own=2 * len(first))
        return push.mean() - _similarity_of_partners(views)


def dcl(first: Tensor, second: Tensor, temperature: float, *, gather: bool = False) -> Tensor:
    """Decoupled contrastive loss of N pairs: NT-Xent whose denominator holds the 2N - 2 negatives alone.

    The positive in NT-Xent's denominator makes gradients vanish once a pair is found, which costs small batches most.

    Args:
        first: Projections z of view one, float, shape (N, D), N at least 2. Normalised here.
        second: Projections of view two, same shape; row i is the same image as in ``first``.
        temperature: The paper's τ; cosine similarities are divided by it.
        gather: Take negatives from all processes of a distributed run; without one it changes nothing.

    Returns:
        Scalar, float32 (float64 for float64 input), the mean over all 2N anchors (the paper sums). It may be below 0.

    Raises:
        ValueError: as ``nt_xent``, or N is 1, where no negatives are left.

    Source: Yeh et al. 2022, arXiv:2110.06848, eq. 6 without weights.
    """
    _check(first, second, temperature, "DCL", pairs=2)
    with torch.autocast(first.device.type, enabled=False):
        views = _scaled_views(first, second, temperature, gather)
        push = logsumexp_of_others(views, 1 / temperature, own=2 * len(first), group=2)
        return push.mean() - _similarity_of_partners(views)


def sup_con(first: Tensor, second: Tensor, labels: Tensor, temperature: float, *, gather: bool = False) -> Tensor:
    """Supervised contrastive loss, both views of all images of a class attracting each other; NT-Xent where all labels differ.

    Args:
        first: Projections z of view one, float, shape (N, D). Normalised here, so any scale will do.
        second: Projections of view two, same shape; row i is the same image as in ``first``.
        labels: The images' classes, integers, shape (N,). -1, like any number below 0, is an unlabelled image: its only
            positive is its own other view, and to all others it is a negative.
        temperature: The paper's τ; cosine similarities are divided by it.
        gather: Take positives and negatives from all processes of a distributed run; without one it changes nothing.

    Returns:
        Scalar, float32 (float64 for float64 input), the mean over all 2N anchors (the paper sums).

    Raises:
        ValueError: as ``nt_xent``, or ``labels`` are not N integers.

    Source: Khosla et al. 2020, arXiv:2004.11362, eq. 2 (the sum over positives outside the logarithm).
    """
    _check(first, second, temperature, "SupCon")
    if labels.shape != first.shape[:1] or labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(
            f"labels of shape {tuple(labels.shape)} and {labels.dtype}: {len(first)} pairs need an integer each, "
            "-1 where unlabelled"
        )
    with torch.autocast(first.device.type, enabled=False):
        views = _scaled_views(first, second, temperature, gather)
        labels = labels.to(views.device)
        push = logsumexp_of_others(views, 1 / temperature, own=2 * len(first))
        return push.mean() - _similarity_within_classes(views, collect(labels) if gather else labels)


def chance_level(n: int, loss: Literal["nt_xent", "dcl", "supcon"] = "nt_xent") -> float:
    """The loss of features that tell nothing apart, for ``n`` pairs: ln(2n - 1), or ln(2n - 2) for DCL.

    Raises:
        ValueError: ``n`` is below 1, or below 2 for DCL.
    """
    least = 2 if loss == "dcl" else 1
    if n < least:
        raise ValueError(f"a batch of {n} pairs has no loss: at least {least} is needed")
    return math.log(2 * n - least)


def _check(first: Tensor, second: Tensor, temperature: float, loss: str, pairs: int = 1) -> None:
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(
            f"views of shapes {tuple(first.shape)} and {tuple(second.shape)}: both must be the same (N, D)"
        )
    if len(first) == 0:
        raise ValueError(f"no pairs were given (N = 0): {loss} needs at least one, and two to have negatives")
    if len(first) < pairs:
        raise ValueError(f"one pair was given (N = 1): {loss} needs at least two, or there are no negatives")
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature} but must be above 0; 0.1 to 0.5 is usual")


def _scaled_views(first: Tensor, second: Tensor, temperature: float, gather: bool) -> Tensor:
    """Rows 2k and 2k + 1 are pair k, of length τ^-½, so that products are similarities over τ without a further pass.

    This process's own pairs come first.
    """
    views = torch.stack((first, second), dim=1).flatten(0, 1)
    if views.dtype != torch.float64:
        views = views.float()
    views = functional.normalize(views, dim=1) / math.sqrt(temperature)
    return gather_rows(views) if gather else views


def _similarity_of_partners(views: Tensor) -> Tensor:
    """The mean over pairs, over τ."""
    return (views[::2] * views[1::2]).sum(dim=1).mean()


def _similarity_within_classes(views: Tensor, labels: Tensor) -> Tensor:
    """Mean over anchors of the mean similarity to their positives, over τ.

    No pair need be looked at: the views of a class sum to S, and all its pairs together have similarity |S|² - Σ|v|².
    """
    pairs = views.view(-1, 2, views.shape[1])  # (N, 2, D)
    group = _groups(labels)
    sums = torch.zeros_like(pairs[:, 0]).index_add(0, group, pairs.sum(dim=1))
    own = views.new_zeros(len(group)).index_add(0, group, pairs.square().sum(dim=(1, 2)))
    members = views.new_zeros(len(group)).index_add(0, group, torch.full_like(own, 2))
    # Groups that do not exist have 0 in the numerator; any divisor does for them.
    return ((sums.square().sum(dim=1) - own) / (members - 1).clamp(min=1)).sum() / len(views)


def _groups(labels: Tensor) -> Tensor:
    """Numbers from 0 on for the classes, each unlabelled image a class of its own; without waiting for the device."""
    ordered, order = labels.sort()
    begins = torch.ones_like(order)
    begins[1:] = (ordered[1:] != ordered[:-1]) | (ordered[1:] < 0)
    return torch.empty_like(order).scatter_(0, order, begins.cumsum(0) - 1)
