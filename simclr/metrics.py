"""Figures of predictions against labels, equal to scikit-learn's where it has them. Free of torch, and of scikit-learn, whose
import would take most of a second of every transfer.

``probabilities`` are float, shape (N, classes), rows sum to 1; ``labels`` are int64, shape (N,), in [0, classes).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from simclr.results import Bin, RocCurve

Probabilities = NDArray[np.float32]
Labels = NDArray[np.int64]

# Source: Guo et al. 2017, arXiv:1706.04599, who use 15.
BINS = 15
# Points of a split's ROC curves, all classes together, and of each at least and at most.
ROC_POINTS, ROC_LEAST, ROC_MOST = 2000, 20, 100


def accuracy(probabilities: Probabilities, labels: Labels) -> float:
    """Share of rows whose largest entry, the first of equals, is at the label."""
    return float((probabilities.argmax(axis=1) == labels).mean())


def one_against_rest(probabilities: Probabilities, labels: Labels) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """The classes that a ranking of these images can be judged for, each with whether an image is of it.

    Of two classes that is the second, since the first's figures are the same; a class that no image or every image has is
    left out.
    """
    classes = range(1, 2) if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    for number in classes:
        truth = labels == number
        if truth.any() and not truth.all():
            yield number, truth


def roc_auc(probabilities: Probabilities, labels: Labels) -> float | None:
    """Area under the ROC curve of the second of two classes; of more classes the mean of each against the rest.

    None where only one class occurs.

    Source: Mann & Whitney 1947, Ann. Math. Stat. 18, 50-60: the share of pairs of which the positive scores higher.
    """
    areas = [_area(probabilities[:, number], truth) for number, truth in one_against_rest(probabilities, labels)]
    return float(np.mean(areas)) if areas else None


def _area(scores: NDArray[np.float32], truth: NDArray[np.bool_]) -> float:
    positives, negatives = scores[truth], np.sort(scores[~truth])
    # Those of equal score are passed on one side alone, and so count for half.
    passed = sum(int(np.searchsorted(negatives, positives, side).sum()) for side in ("left", "right"))
    return passed / 2 / (len(positives) * len(negatives))


def average_precision(probabilities: Probabilities, labels: Labels) -> float | None:
    """Area under precision over recall, stepwise, of the same classes as ``roc_auc``."""
    areas = []
    for number, truth in one_against_rest(probabilities, labels):
        right, wrong = _found(probabilities[:, number], truth)
        areas.append(np.diff(right, prepend=0) @ (right / (right + wrong)) / right[-1])
    return float(np.mean(areas)) if areas else None


def _found(scores: NDArray[np.float32], truth: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many that are true, and how many that are not, have each distinct score at least, the highest first."""
    order = np.argsort(-scores, kind="stable")
    last_of_equals = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    right = truth[order].cumsum()[last_of_equals]
    return right, last_of_equals + 1 - right


def log_loss(probabilities: Probabilities, labels: Labels) -> float:
    """Mean of -ln(probability of the label), in nats; probabilities below float32's epsilon count as that."""
    said = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(said.clip(np.finfo(np.float32).eps, 1)).mean())


def reliability(probabilities: Probabilities, labels: Labels) -> list[Bin]:
    """How often answers are right among those of like confidence: 15 bins of equal width; one holds its upper end."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    is_right = probabilities.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    n = np.bincount(place, minlength=BINS)
    sums = [np.bincount(place, weights=values, minlength=BINS) for values in (confidence, is_right)]
    return [
        Bin(
            low=number / BINS,
            high=(number + 1) / BINS,
            n=int(n[number]),
            confidence=float(sums[0][number] / n[number]) if n[number] else None,
            accuracy=float(sums[1][number] / n[number]) if n[number] else None,
        )
        for number in range(BINS)
    ]


def calibration_error(bins: list[Bin]) -> float:
    """Mean distance of confidence and accuracy over ``reliability``'s bins, by images: the ECE. In [0, 1].

    Source: Naeini et al. 2015; Guo et al. 2017, arXiv:1706.04599, eq. 5.
    """
    gaps = [b.n * abs(b.confidence - b.accuracy) for b in bins if b.confidence is not None and b.accuracy is not None]
    return sum(gaps) / max(1, sum(b.n for b in bins))


def roc_curves(probabilities: Probabilities, labels: Labels, names: tuple[str, ...]) -> list[RocCurve]:
    """The curve of every class that ``roc_auc`` is made of, in at most 100 points, fewer where there are many classes."""
    points = int(np.clip(ROC_POINTS // len(names), ROC_LEAST, ROC_MOST))
    curves = []
    for number, truth in one_against_rest(probabilities, labels):
        right, wrong = (np.append(0, found) for found in _found(probabilities[:, number], truth))
        # Between two bends the curve is straight.
        bends = np.diff(right, 2).astype(bool) | np.diff(wrong, 2).astype(bool)
        kept = np.flatnonzero(np.concatenate(([True], bends, [True])))
        fpr, tpr = wrong[kept] / wrong[-1], right[kept] / right[-1]
        # Evenly along the curve, whose ends are always among them.
        wanted = np.linspace(0, 2, points)
        kept = np.unique(np.searchsorted(fpr + tpr, wanted).clip(max=len(fpr) - 1))
        curves.append(
            RocCurve(name=names[number], fpr=np.round(fpr[kept], 4).tolist(), tpr=np.round(tpr[kept], 4).tolist())
        )
    return curves
