"""Is one result better than another on the same images? Paired tests, free of torch."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simclr.intervals import percentiles, resampled_aucs, student_interval
from simclr.metrics import Labels, Probabilities, roc_auc

__all__ = ["AucDifference", "Discordance", "mcnemar", "paired_bootstrap_auc", "student_interval"]


class Discordance(NamedTuple):
    """Images that one of two got right and the other did not, and the probability of such a split by chance."""

    only_first: int
    only_second: int
    p: float


class AucDifference(NamedTuple):
    """Second minus first, with its 95 % interval, and the probability of a difference as large by chance."""

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Discordance:
    """Whether two classifiers are right equally often: McNemar's test in its exact form, for any number of images.

    Args:
        first: Whether the first is right, shape (N,).
        second: The same of the second, on the same images in the same order.

    Raises:
        ValueError: the shapes differ.

    Source: McNemar 1947, Psychometrika 12, 153-157; exact by the binomial distribution of the discordant pairs.
    """
    from scipy.special import bdtr  # type: ignore[import-untyped]

    if first.shape != second.shape:
        raise ValueError(f"{len(first)} and {len(second)} images cannot be paired: give answers to the same images")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    discordant = only_first + only_second
    p = min(1.0, 2 * float(bdtr(min(only_first, only_second), discordant, 0.5)))
    return Discordance(only_first, only_second, p)


def paired_bootstrap_auc(
    first: Probabilities, second: Probabilities, labels: Labels, seed: int = 0
) -> AucDifference | None:
    """Whether two rankings of the same images have the same ROC-AUC, by a bootstrap that draws images for both.

    ``p`` is twice the share of resamples in which the difference has the rarer sign, zero counting for both, 1/resamples at
    least. None where only one class occurs.

    Args:
        first: Probabilities, shape (N, classes).
        second: The same of the other.
        labels: int64, shape (N,).
        seed: Draws the resamples.

    Raises:
        ValueError: the shapes differ.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapters 13 and 16.
    """
    if first.shape != second.shape or len(first) != len(labels):
        raise ValueError(
            f"predictions of {first.shape} and {second.shape} for {len(labels)} labels cannot be paired: "
            "give answers to the same images"
        )
    first_area, second_area = roc_auc(first, labels), roc_auc(second, labels)
    if first_area is None or second_area is None:
        return None
    resampled = resampled_aucs([first, second], labels, seed)
    differences = resampled[1] - resampled[0]
    differences = differences[~np.isnan(differences)]
    interval = percentiles(differences)
    if interval is None:
        return None
    rarer = min((differences <= 0).mean(), (differences >= 0).mean())
    p = float(np.clip(2 * rarer, 1 / len(differences), 1))
    return AucDifference(first_area, second_area, second_area - first_area, *interval, p)
