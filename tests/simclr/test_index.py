import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simclr.index import Index, combined, precision_at_k


def unit(n: int, d: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@given(n=st.integers(1, 60), d=st.integers(1, 4), k=st.integers(1, 70), seed=st.integers(0, 10**6), data=st.data())
@settings(deadline=None)
def test_search_finds_what_sorting_everything_finds(n: int, d: int, k: int, seed: int, data: st.DataObject) -> None:
    # One decimal makes many equal rows, so ties are common.
    bank = np.round(unit(n, d, seed), 1) + np.float32(1e-3)
    bank = (bank / np.linalg.norm(bank, axis=1, keepdims=True)).astype(np.float32)
    exclude = data.draw(st.sets(st.integers(0, n - 1)))
    query = unit(1, d, seed + 1)[0]
    found, similarity = Index(bank).search(query, k, exclude)
    all_similar = np.clip(bank @ (query / np.linalg.norm(query)).astype(np.float32), -1, 1)
    expected = sorted((i for i in range(n) if i not in exclude), key=lambda i: (-all_similar[i], i))[:k]
    assert found.tolist() == expected
    np.testing.assert_allclose(similarity, all_similar[expected], atol=1e-6)


def test_an_image_finds_itself_first_unless_excluded() -> None:
    bank = unit(500, 16)
    index = Index(bank)
    found, similarity = index.search(bank[7], 3)
    assert found[0] == 7
    assert similarity[0] == pytest.approx(1, abs=1e-6)
    assert 7 not in index.search(bank[7], 499, {7})[0]


def test_equally_near_images_come_by_index_also_at_the_cut() -> None:
    bank = np.tile(unit(1, 8), (10, 1))
    assert Index(bank).search(bank[0], 4)[0].tolist() == [0, 1, 2, 3]
    assert Index(bank).search(bank[0], 4, {1})[0].tolist() == [0, 2, 3, 4]


def test_the_querys_length_does_not_matter() -> None:
    bank = unit(100, 8)
    short, long = (Index(bank).search(bank[3] * np.float32(scale), 5) for scale in (1e-3, 1e3))
    assert short[0].tolist() == long[0].tolist()
    np.testing.assert_allclose(short[1], long[1], atol=1e-6)


def test_only_images_among_which_to_look_are_found_and_none_that_is_excluded() -> None:
    bank = unit(200, 8)
    among = np.arange(200) % 3 == 0
    everything, similar = Index(bank).search(bank[1], 200)
    expected = [i for i in everything.tolist() if i % 3 == 0 and i != 99]
    found, similarity = Index(bank).search(bank[1], 200, {99, 100}, among)
    assert found.tolist() == expected
    np.testing.assert_array_equal(similarity, [similar[everything.tolist().index(i)] for i in expected])
    assert len(Index(bank).search(bank[1], 5, among=np.zeros(200, bool))[0]) == 0
    assert among.sum() == 67, "the caller's own array is left as it was"


def test_a_query_of_several_images_points_where_they_do_and_away_from_others() -> None:
    east, north, up = np.eye(3, dtype=np.float32)
    bank = np.stack([east, north, up])
    np.testing.assert_allclose(combined(bank, [0, 1]), [0.5, 0.5, 0])
    np.testing.assert_allclose(combined(bank, [0, 1], [1]), [0.5, -0.5, 0])
    np.testing.assert_allclose(combined(bank, [2]), up)


@pytest.mark.parametrize(("like", "unlike", "problem"), [([], [1], "needs an image"), ([0, 1], [1, 0], "the same")])
def test_a_query_of_nothing_is_refused(like: list[int], unlike: list[int], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        combined(unit(3, 4), like, unlike)


def test_when_everything_is_excluded_nothing_is_found() -> None:
    found, similarity = Index(unit(3, 4)).search(unit(1, 4)[0], 2, {0, 1, 2})
    assert (len(found), len(similarity)) == (0, 0)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((0, 3), np.float32), "N > 0"),
        (np.zeros(3, np.float32), r"shape \(N, D\)"),
        (np.eye(3), "must be float32"),
        (np.full((2, 3), 0.5, np.float32), "row 0 of features has length 0.866, not 1"),
        (np.array([[1, 0], [np.nan, 1]], np.float32), "row 1 of features has length nan"),
    ],
)
def test_a_bank_that_is_none_is_refused(features: NDArray[np.float32], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Index(features)


@pytest.mark.parametrize(
    ("query", "k", "exclude", "message"),
    [
        (np.ones(4, np.float32), 0, None, "k is 0"),
        (np.ones(5, np.float32), 1, None, "use the encoder that made the bank"),
        (np.zeros(4, np.float32), 1, None, "zero or not finite"),
        (np.full(4, np.nan, np.float32), 1, None, "zero or not finite"),
        (np.ones(4, np.float32), 1, {9}, "the bank holds 3 images"),
        (np.ones(4, np.float32), 1, {-1}, "the bank holds 3 images"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(
    query: NDArray[np.float32], k: int, exclude: set[int] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Index(unit(3, 4)).search(query, k, exclude)


def test_precision_at_k_is_the_share_of_hits_of_the_querys_class() -> None:
    assert precision_at_k(1, np.array([1, 1, 0, 2])) == 0.5
    assert precision_at_k(1, np.array([1, -1, 0])) == 0.5
    assert precision_at_k(-1, np.array([1, 1])) is None
    assert precision_at_k(1, np.array([-1, -1])) is None
    assert precision_at_k(1, np.array([], np.int64)) is None


@pytest.mark.parametrize("module", ["index", "encoder_file", "cli", "config", "events", "results", "runs"])
def test_what_a_server_reads_comes_without_torch(module: str) -> None:
    code = f"import sys, simclr.{module}; sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
