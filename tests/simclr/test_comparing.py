from pathlib import Path

import numpy as np
import pytest

from simclr.comparing import mcnemar, paired_bootstrap_auc
from simclr.predictions import Predictions, compare, read_predictions, write_predictions


def right(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    a = np.repeat([True, True, False, False], [both, first, second, neither])
    b = np.repeat([True, False, True, False], [both, first, second, neither])
    return a, b


def test_mcnemar_by_hand() -> None:
    # 2 against 8 of 10: twice the binomial tail (1 + 10 + 45) / 1024.
    assert mcnemar(*right(50, 8, 2, 5)) == (8, 2, pytest.approx(112 / 1024))
    assert mcnemar(*right(0, 5, 5, 0)).p == 1


def test_mcnemar_of_many_images_is_near_the_chi_square_test() -> None:
    # (|60 - 100| - 1)² / 160 = 9.506, whose probability with one degree of freedom is 0.00205.
    assert mcnemar(*right(900, 60, 100, 40)).p == pytest.approx(0.00205, abs=1e-4)


def test_classifiers_that_never_disagree_do_not_differ() -> None:
    assert mcnemar(*right(7, 0, 0, 3)) == (0, 0, 1.0)


def test_answers_to_different_images_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="3 and 4 images cannot be paired"):
        mcnemar(np.ones(3, bool), np.ones(4, bool))
    with pytest.raises(ValueError, match="cannot be paired"):
        paired_bootstrap_auc(np.ones((3, 2), np.float32), np.ones((4, 2), np.float32), np.zeros(3, np.int64))


def rankings(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One that knows something, and one that knows the same and more."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, n)
    weak = labels + random.normal(size=n) * 1.2
    strong = weak + labels * 0.8
    a, b = (1 / (1 + np.exp(-np.stack((-each, each), axis=1))) for each in (weak, strong))
    return a.astype(np.float32), b.astype(np.float32), labels


def test_pairing_finds_a_difference_that_two_intervals_do_not() -> None:
    weak, strong, labels = rankings(200)
    found = paired_bootstrap_auc(weak, strong, labels)
    assert found is not None
    assert found.difference == pytest.approx(found.second - found.first)
    assert 0 < found.low < found.difference < found.high
    assert found.p == pytest.approx(0.001)
    turned = paired_bootstrap_auc(strong, weak, labels)
    assert turned is not None
    assert (turned.low, turned.high, turned.p) == pytest.approx((-found.high, -found.low, found.p))


def test_the_same_answers_do_not_differ_and_one_class_tells_nothing() -> None:
    weak, _, labels = rankings(50)
    same = paired_bootstrap_auc(weak, weak, labels)
    assert same is not None
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    assert paired_bootstrap_auc(weak, weak, np.zeros(50, np.int64)) is None


def test_predictions_come_back_as_written_and_are_compared_image_by_image(tmp_path: Path) -> None:
    weak, strong, labels = rankings(60)
    path = tmp_path / "predictions.npz"
    first = Predictions(np.arange(60), labels, weak)
    second = first._replace(probabilities=strong)
    write_predictions(path, {"val": first, "test": second})
    assert [p.name for p in tmp_path.iterdir()] == ["predictions.npz"]
    again = read_predictions(path, "test")
    assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(again, second, strict=True))
    found = compare(read_predictions(path, "val"), again)
    assert found.n == 60
    assert found.accuracy == (first.is_right.mean(), second.is_right.mean())
    assert found.mcnemar == mcnemar(first.is_right, second.is_right)
    for other in (first._replace(indices=np.arange(1, 61)), first._replace(labels=1 - labels)):
        with pytest.raises(ValueError, match="not about the same images"):
            compare(first, other)


def test_predictions_that_are_missing_or_damaged_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "predictions.npz"
    with pytest.raises(ValueError, match=r"no predictions at .*: results of older versions have none"):
        read_predictions(path, "val")
    weak, _, labels = rankings(10)
    write_predictions(path, {"val": Predictions(np.arange(10), labels, weak)})
    for content in (path.read_bytes()[:100], b"", b"no archive"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is damaged: run the transfer again"):
            read_predictions(path, "val")
