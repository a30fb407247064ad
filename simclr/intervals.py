"""How sure a figure is: 95 % intervals of shares, of means over seeds, and of ROC-AUC over images. Free of torch."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from simclr.metrics import Labels, Probabilities, one_against_rest

# Two-sided 95 % quantile of the normal distribution.
Z_95 = 1.959963984540054
RESAMPLES, FEWEST_RESAMPLES = 1000, 200
# Images × classes × resamples that an interval may cost, some seconds; beyond, there are fewer resamples.
MOST_WORK = 300_000_000
# Resamples drawn at a time.
CHUNK = 50


def wilson_interval(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share of ``hits`` among ``n``, sensible also near 0 and 1 and for few images.

    Raises:
        ValueError: ``n`` is below 1 or ``hits`` is not in [0, n].

    Source: Wilson 1927, J. Am. Stat. Assoc. 22, 209-212.
    """
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n} is no share")
    share, z2 = hits / n, Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def student_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval of the mean of ``values``, such as one a seed, by Student's t; None for fewer than two.

    Source: Student 1908, Biometrika 6, 1-25.
    """
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    if len(values) < 2:
        return None
    half = float(stdtrit(len(values) - 1, 0.975)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    mean = float(np.mean(values))
    return mean - half, mean + half


def auc_interval(probabilities: Probabilities, labels: Labels, seed: int = 0) -> tuple[float, float] | None:
    """95 % interval of ``metrics.roc_auc``: percentiles of a bootstrap over images; None where there is no AUC.

    Source: Efron 1979, Ann. Stat. 7, 1-26.
    """
    areas = resampled_aucs([probabilities], labels, seed)[0]
    return percentiles(areas)


def percentiles(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Between which 95 % of ``values`` lie, those that are NaN left out; None where all are."""
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def resampled_aucs(contenders: Sequence[Probabilities], labels: Labels, seed: int = 0) -> NDArray[np.float64]:
    """ROC-AUC of each of ``contenders`` on the same resamples of the images, drawn with replacement.

    Returns:
        Shape (contenders, resamples); NaN where a resample holds only one class. 1,000 resamples, fewer where many images
        times many classes would take long.
    """
    n = len(labels)
    ranked = [
        [_Ranked(probabilities[:, number], truth) for number, truth in one_against_rest(probabilities, labels)]
        for probabilities in contenders
    ]
    work = n * max(1, sum(map(len, ranked)))
    resamples = int(np.clip(MOST_WORK // work, FEWEST_RESAMPLES, RESAMPLES))
    parts = []
    for counts in _counts(n, resamples, seed):
        parts.append(np.stack([_mean_known([one.areas(counts) for one in each], counts.shape[1]) for each in ranked]))
    return np.concatenate(parts, axis=1)


def _mean_known(areas: list[NDArray[np.float64]], resamples: int) -> NDArray[np.float64]:
    """A class that a resample lacks is left out of its mean, as where a split lacks it."""
    stacked = np.stack(areas) if areas else np.full((1, resamples), np.nan)
    mean: NDArray[np.float64] = np.ma.masked_invalid(stacked).mean(axis=0).filled(np.nan)
    return mean


def _counts(n: int, resamples: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """How often each image is drawn, (n, up to 50)."""
    random = np.random.default_rng(seed)
    for start in range(0, resamples, CHUNK):
        columns = min(CHUNK, resamples - start)
        drawn = random.integers(0, n, (n, columns), dtype=np.int32).astype(np.int64) * columns + np.arange(columns)
        yield np.bincount(drawn.ravel(), minlength=n * columns).reshape(n, columns).astype(np.float32)


class _Ranked:
    """Images in the order of their scores, of which areas under the curve are sums of ranks: no resample is sorted again.

    Source: Mann & Whitney 1947, Ann. Math. Stat. 18, 50-60.
    """

    def __init__(self, scores: NDArray[np.float32], truth: NDArray[np.bool_]) -> None:
        self.order = np.argsort(scores, kind="stable")
        ranked = scores[self.order]
        self.truth = truth[self.order]
        positives = ranked[self.truth]
        self.below = np.searchsorted(ranked, positives, side="left")
        self.up_to = np.searchsorted(ranked, positives, side="right")

    def areas(self, counts: NDArray[np.float32]) -> NDArray[np.float64]:
        """One for each column of ``counts``; NaN where a class is not drawn."""
        ranked = counts[self.order]
        positives = ranked[self.truth]
        ranked[self.truth] = 0
        # Whole numbers below 2²⁴, which float32 holds exactly.
        negatives = np.concatenate((np.zeros_like(ranked[:1]), np.cumsum(ranked, axis=0)))
        passed = negatives[self.below] + negatives[self.up_to]  # those of equal score count for half
        hits = np.einsum("ij,ij->j", positives, passed, dtype=np.float64) / 2
        pairs = positives.sum(axis=0, dtype=np.float64) * negatives[-1]
        with np.errstate(invalid="ignore"):
            areas: NDArray[np.float64] = hits / pairs
        return areas
