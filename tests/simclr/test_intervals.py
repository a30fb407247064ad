import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

from simclr.intervals import auc_interval, resampled_aucs, student_interval, wilson_interval


@given(n=st.integers(1, 2000), data=st.data())
def test_the_interval_is_scipys_wilson_interval(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    reference = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert wilson_interval(hits, n) == pytest.approx((reference.low, reference.high), abs=1e-9)


def test_wilsons_interval_by_hand() -> None:
    # 8 of 10: centre (0.8 + 3.8415/20) / 1.38415, half width 1.95996/1.38415 · √(0.16/10 + 3.8415/400).
    assert wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=5e-5)


def test_a_share_of_nothing_has_no_interval() -> None:
    for hits, n in ((0, 0), (3, 2), (-1, 5)):
        with pytest.raises(ValueError, match="is no share"):
            wilson_interval(hits, n)


def test_students_interval_by_hand_and_by_scipy() -> None:
    # Mean 0.9, standard deviation 0.02, t(0.975, 2) = 4.3027: 0.9 ± 4.3027 · 0.02 / √3.
    assert student_interval([0.88, 0.90, 0.92]) == pytest.approx((0.8503, 0.9497), abs=5e-5)
    values = [0.91, 0.93, 0.89, 0.97, 0.9]
    spread = np.std(values, ddof=1) / np.sqrt(5)
    assert student_interval(values) == pytest.approx(student.interval(0.95, 4, np.mean(values), spread))


def test_one_seed_says_nothing_of_the_spread() -> None:
    assert student_interval([0.9]) is None


def ranking(n: int = 80, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    labels = random.integers(0, classes, n)
    weights = np.round(random.uniform(0.2, 1, (n, classes)) + 0.4 * np.eye(classes)[labels], 1)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32), labels


def test_every_resampled_area_is_scikit_learns_of_the_images_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    probabilities, labels = ranking(classes=3)
    drawn = np.random.default_rng(0).integers(0, 4, (80, 6)).astype(np.float32)
    monkeypatch.setattr("simclr.intervals._counts", lambda *_: iter([drawn[:, :4], drawn[:, 4:]]))
    areas = resampled_aucs([probabilities, 1 - probabilities], labels)
    for column in range(6):
        for row, scores in enumerate((probabilities, 1 - probabilities)):
            expected = np.mean(
                [roc_auc_score(labels == c, scores[:, c], sample_weight=drawn[:, column]) for c in range(3)]
            )
            assert areas[row, column] == pytest.approx(expected, abs=1e-6)


def test_the_interval_is_scipys_percentile_bootstrap() -> None:
    def area(labels: np.ndarray, scores: np.ndarray) -> float:
        further = scores[labels == 1][:, None] - scores[labels == 0]
        return float(((further > 0) + 0.5 * (further == 0)).mean())

    probabilities, labels = ranking()
    reference = bootstrap(
        (labels, probabilities[:, 1]), area, paired=True, vectorized=False, n_resamples=1000,
        method="percentile", rng=1,
    ).confidence_interval  # fmt: skip
    # Of 1,000 resamples an end is uncertain by about 0.005 itself.
    assert auc_interval(probabilities, labels) == pytest.approx((reference.low, reference.high), abs=0.02)
    assert auc_interval(probabilities, labels) == auc_interval(probabilities, labels)


def test_resamples_without_one_of_the_classes_are_left_out() -> None:
    labels = np.array([1, 0, 0, 0])
    probabilities = np.array([[0.4, 0.6], [0.3, 0.7], [0.8, 0.2], [0.9, 0.1]], np.float32)
    assert np.isnan(resampled_aucs([probabilities], labels)).any()
    interval = auc_interval(probabilities, labels)
    assert interval is not None
    assert 0 <= interval[0] < interval[1] <= 1
    assert auc_interval(probabilities, np.zeros(4, np.int64)) is None
