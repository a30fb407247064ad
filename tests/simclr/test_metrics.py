import warnings

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn import metrics as reference
from torchmetrics.classification import MulticlassCalibrationError

from simclr.metrics import accuracy, roc_auc
from simclr.score_sheet import score_sheet

Answers = tuple[NDArray[np.float32], NDArray[np.int64]]
NAMES = ("a", "b", "c", "d")


def answers(classes: int, n: int = 300, *, occurring: int | None = None) -> Answers:
    """Answers somewhat better than chance, on labels of which only the first ``occurring`` classes occur."""
    random = np.random.default_rng(classes)
    labels = random.integers(0, occurring or classes, n)
    logits = random.normal(size=(n, classes))
    logits[np.arange(n), labels] += 1
    # To a tenth, so that many are equal.
    weights = np.exp(np.round(logits, 1))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 4])
def test_figures_are_scikit_learns_and_torchmetrics(classes: int) -> None:
    probabilities, labels = answers(classes)
    answered = probabilities.argmax(axis=1)
    score, details = score_sheet("val", probabilities, labels, NAMES[:classes])
    one_hot = np.eye(classes)[labels]
    columns = slice(1, 2) if classes == 2 else slice(None)
    expected = {
        "accuracy": reference.accuracy_score(labels, answered),
        "balanced_accuracy": reference.balanced_accuracy_score(labels, answered),
        "macro_f1": reference.f1_score(labels, answered, average="macro"),
        "auc": reference.roc_auc_score(one_hot[:, columns], probabilities[:, columns], average="macro"),
        "average_precision": reference.average_precision_score(one_hot[:, columns], probabilities[:, columns]),
        "log_loss": reference.log_loss(labels, probabilities),
        "ece": float(MulticlassCalibrationError(classes, n_bins=15)(torch.tensor(probabilities), torch.tensor(labels))),
    }
    assert {name: getattr(score, name) for name in expected} == pytest.approx(expected, abs=1e-6)
    assert details.confusion == reference.confusion_matrix(labels, answered).tolist()
    for number, each in enumerate(details.per_class):
        truth, said = labels == number, answered == number
        assert (each.name, each.n) == (NAMES[number], truth.sum())
        assert (each.precision, each.recall, each.f1, each.auc) == pytest.approx(
            (
                reference.precision_score(truth, said),
                reference.recall_score(truth, said),
                reference.f1_score(truth, said),
                reference.roc_auc_score(truth, probabilities[:, number]),
            )
        )


def test_a_class_that_a_split_lacks_is_left_out_of_means_and_told_as_unknown() -> None:
    probabilities, labels = answers(4, occurring=3)
    probabilities[:, 3] = 0
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score, details = score_sheet("test", probabilities, labels, NAMES)
    present = [each for each in details.per_class if each.n]
    assert score.balanced_accuracy == pytest.approx(
        np.mean([each.recall for each in present if each.recall is not None])
    )
    assert score.auc == pytest.approx(np.mean([each.auc for each in present if each.auc is not None]))
    missing = details.per_class[3]
    assert (missing.precision, missing.recall, missing.f1, missing.auc) == (None, None, None, None)
    assert [curve.name for curve in details.roc] == ["a", "b", "c"]


def test_one_class_alone_has_no_curve_and_no_area() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    score, details = score_sheet("test", probabilities, np.zeros(2, np.int64), ("a", "b"))
    assert (score.accuracy, score.auc, score.auc_low, score.average_precision) == (0.5, None, None, None)
    assert details.roc == []


def test_certainty_that_was_wrong_costs_a_finite_loss() -> None:
    score, _ = score_sheet("test", np.eye(2, dtype=np.float32), np.array([0, 0]), ("a", "b"))
    assert score.log_loss == pytest.approx(-np.log(np.finfo(np.float32).eps) / 2, abs=1e-3)


def test_reliability_by_hand() -> None:
    probabilities = np.array([[0.4, 0.6], [0.6, 0.4], [1.0, 0.0], [0.05, 0.95]], np.float32)
    score, details = score_sheet("val", probabilities, np.array([1, 1, 0, 1]), ("a", "b"))
    filled = [(each.n, each.accuracy) for each in details.reliability if each.n]
    assert sum(n for n, _ in filled) == 4
    assert filled[-1] == (2, 1.0)
    assert score.ece == pytest.approx((2 * 0.1 + 2 * 0.025) / 4, abs=1e-6)


@pytest.mark.parametrize("n", [5, 5000])
def test_a_thinned_roc_curve_is_the_whole_one_to_a_hundredth(n: int) -> None:
    probabilities, labels = answers(2, n)
    _, details = score_sheet("val", probabilities, labels, ("a", "b"))
    (curve,) = details.roc
    assert curve.name == "b"
    assert len(curve.fpr) <= 100
    assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)
    assert reference.auc(curve.fpr, curve.tpr) == pytest.approx(roc_auc(probabilities, labels), abs=0.01)


def test_accuracy_counts_the_first_of_equal_scores() -> None:
    scores = np.array([[0.5, 0.5], [0.1, 0.9], [0.9, 0.1]], np.float32)
    assert accuracy(scores, np.array([0, 1, 1])) == pytest.approx(2 / 3)
