"""From predictions on a split to its score, and to what stands behind it. Free of torch."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simclr.intervals import auc_interval, wilson_interval
from simclr.metrics import (
    Labels,
    Probabilities,
    average_precision,
    calibration_error,
    log_loss,
    reliability,
    roc_auc,
    roc_curves,
)
from simclr.results import ClassScore, Score, SplitDetails


def score_sheet(
    split: Literal["val", "test"], probabilities: Probabilities, labels: Labels, names: tuple[str, ...]
) -> tuple[Score, SplitDetails]:
    """Score answers on a split.

    Args:
        split: Which it is.
        probabilities: Of every class, float, shape (N, classes), rows sum to 1; the first of the largest is the answer.
        labels: int64, shape (N,), N at least 1.
        names: Of the classes.
    """
    answers = probabilities.argmax(axis=1)
    hits, n = int((answers == labels).sum()), len(labels)
    confusion = np.bincount(labels * len(names) + answers, minlength=len(names) ** 2).reshape(len(names), len(names))
    right, counts, answered = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    with np.errstate(invalid="ignore"):
        precision, recall, f1 = right / answered, right / counts, 2 * right / (counts + answered)
    bins = reliability(probabilities, labels)
    low, high = wilson_interval(hits, n)
    auc_low, auc_high = auc_interval(probabilities, labels) or (None, None)
    score = Score(
        split=split,
        n=n,
        accuracy=hits / n,
        accuracy_low=low,
        accuracy_high=high,
        # What is NaN was neither there nor answered.
        balanced_accuracy=float(np.nanmean(recall)),
        macro_f1=float(np.nanmean(f1)),
        auc=roc_auc(probabilities, labels),
        auc_low=auc_low,
        auc_high=auc_high,
        average_precision=average_precision(probabilities, labels),
        log_loss=log_loss(probabilities, labels),
        ece=calibration_error(bins),
    )
    details = SplitDetails(
        split=split,
        confusion=confusion.tolist(),
        per_class=[
            ClassScore(
                name=name,
                n=int(counts[number]),
                precision=_known(precision[number]),
                recall=_known(recall[number]),
                f1=_known(f1[number]),
                auc=_class_auc(probabilities[:, number], labels == number),
            )
            for number, name in enumerate(names)
        ],
        reliability=bins,
        roc=roc_curves(probabilities, labels, names),
    )
    return score, details


def _known(figure: float) -> float | None:
    return None if np.isnan(figure) else float(figure)


def _class_auc(scores: NDArray[np.float32], truth: NDArray[np.bool_]) -> float | None:
    return roc_auc(np.stack((-scores, scores), axis=1), truth.astype(np.int64))
