"""Parts of a set: in proportion, disjoint, nested under one seed, and the same every time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simclr.datasets.subsets import k_shot, label_fraction, stratified_split

LABELS = st.lists(st.integers(-1, 5), min_size=1, max_size=200).map(lambda values: np.array(values, dtype=np.int64))
SHARES = st.lists(st.integers(1, 9), min_size=1, max_size=5).map(lambda parts: [part / sum(parts) for part in parts])


@given(LABELS, SHARES, st.integers(0, 3))
def test_parts_are_disjoint_whole_and_in_proportion(labels: np.ndarray, shares: list[float], seed: int) -> None:
    parts = stratified_split(labels, shares, seed)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    for part, share in zip(parts, shares, strict=True):
        assert (np.diff(part) > 0).all()
        for label in np.unique(labels):
            assert abs((labels[part] == label).sum() - share * (labels == label).sum()) <= 1


@given(LABELS, st.floats(0.01, 1.0), st.floats(0.01, 1.0), st.integers(0, 3))
def test_a_larger_share_of_labels_holds_every_smaller_one(
    labels: np.ndarray, first: float, second: float, seed: int
) -> None:
    pool = np.arange(0, len(labels), 2)
    few, many = (label_fraction(labels, pool, fraction, seed) for fraction in sorted((first, second)))
    assert np.isin(few, many).all()
    assert np.isin(many, pool).all()
    assert (labels[many] >= 0).all()
    for label in np.unique(labels[pool][labels[pool] >= 0]):
        have, taken = (labels[pool] == label).sum(), (labels[many] == label).sum()
        assert taken == max(1, round(max(first, second) * have))


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 3))
def test_more_shots_hold_all_fewer_ones(first: int, second: int, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(-1, 4), 9))
    few, many = (k_shot(labels, np.arange(len(labels)), k, seed) for k in sorted((first, second)))
    assert np.isin(few, many).all()
    assert np.bincount(labels[many], minlength=4).tolist() == [max(first, second)] * 4


def test_seeds_draw_differently_and_the_same_seed_alike() -> None:
    labels = np.repeat(np.arange(3), 40)
    pool = np.arange(120)
    for draw in (
        lambda seed: label_fraction(labels, pool, 0.3, seed),
        lambda seed: k_shot(labels, pool, 5, seed),
        lambda seed: stratified_split(labels, [0.5, 0.5], seed)[0],
    ):
        assert np.array_equal(draw(0), draw(0))
        assert not np.array_equal(draw(0), draw(1))


def test_one_class_does_not_disturb_another() -> None:
    labels = np.repeat(np.arange(2), 20)
    more = np.append(labels, np.full(7, 1))
    first, second = k_shot(labels, np.arange(40), 5), k_shot(more, np.arange(47), 5)
    assert np.array_equal(first[labels[first] == 0], second[more[second] == 0])


@pytest.mark.parametrize("shares", [[], [0.5, 0.4], [1.5, -0.5], [0.0, 1.0]])
def test_shares_that_are_no_parts_of_a_whole_are_refused(shares: list[float]) -> None:
    with pytest.raises(ValueError, match="must be positive and add up to 1"):
        stratified_split(np.zeros(4, np.int64), shares)


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.01, float("nan")])
def test_a_fraction_that_is_none_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        label_fraction(np.zeros(4, np.int64), np.arange(4), fraction)


def test_too_many_shots_are_refused_by_class() -> None:
    with pytest.raises(ValueError, match="class number 1 has 2 images to choose from, but k is 3"):
        k_shot(np.array([0, 0, 0, 1, 1]), np.arange(5), 3)
    with pytest.raises(ValueError, match="k is 0"):
        k_shot(np.zeros(4, np.int64), np.arange(4), 0)
