"""Negatives that are none: how many images of a batch share the anchor's class, and are pushed away all the same."""

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict


class FalseNegatives(BaseModel):
    """What to expect of a batch of ``batch`` images, of which each gives two views.

    Attributes:
        share: Of an anchor's 2N − 2 negatives, the share that has its class; in [0, 1], the same for every batch size.
        per_anchor: The number of those negatives: ``share`` × (2N − 2).
        any: Probability that an anchor has one at all.
    """

    model_config = ConfigDict(frozen=True)

    batch: int
    share: float
    per_anchor: float
    any: float


def false_negatives(counts: NDArray[np.int64], batch: int) -> FalseNegatives:
    """Expectations over batches drawn without replacement from a training set.

    An anchor of class c meets N − 1 other images, drawn from the n − 1 that are left, of which n_c − 1 share its class. So the
    share is Σ n_c (n_c − 1) / (n (n − 1)), which is the chance that two images drawn at random are of one class, and the
    number of same-class images is hypergeometric. Both views of an image count, which leaves the share as it is.

    Args:
        counts: Images of every class, shape (C,), 2 in sum at least.
        batch: Images in a batch, N, from 2 to their number.

    Raises:
        ValueError: ``batch`` is smaller than 2 or larger than the set.

    Source: the class prior τ⁺ of Chuang et al. 2020, "Debiased contrastive learning", arXiv:2007.00224, section 3, here without
    replacement; on what such negatives cost, Huynh et al. 2022, arXiv:2011.11765.
    """
    n = int(counts.sum())
    if not 2 <= batch <= n:
        raise ValueError(f"batch is {batch}, but must lie between 2 and the {n} labelled training images")
    share = float((counts / n * (counts - 1) / (n - 1)).sum())
    none = sum(count / n * _chance_of_none(n - 1, int(count) - 1, batch - 1) for count in counts.tolist() if count)
    return FalseNegatives(
        batch=batch, share=share, per_anchor=share * (2 * batch - 2), any=min(1.0, max(0.0, 1 - none))
    )


def _chance_of_none(population: int, marked: int, drawn: int) -> float:
    """That a draw without replacement holds none of the marked ones."""
    if drawn > population - marked:
        return 0.0
    log = math.lgamma
    left = population - marked
    return math.exp(log(left + 1) - log(left - drawn + 1) - log(population + 1) + log(population - drawn + 1))
