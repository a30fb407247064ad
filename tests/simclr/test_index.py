import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simclr.index import Index, Metric, average_precision, combined, open_index, precision_at_k


def unit(n: int, d: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def brute_force(bank: NDArray[np.float32], query: NDArray[np.float32], metric: Metric) -> NDArray[np.float64]:
    """Scores in float64, one row after the other, larger where nearer."""
    rows, target = bank.astype(np.float64), query.astype(np.float64)
    if metric == "euclidean":
        return -np.array([np.sqrt(((row - target) ** 2).sum()) for row in rows])
    target /= np.linalg.norm(target)
    return np.array([(row * target).sum() / np.sqrt((row**2).sum()) for row in rows])


@given(
    n=st.integers(1, 60), d=st.integers(1, 5), k=st.integers(1, 70), seed=st.integers(0, 10**6),
    metric=st.sampled_from(["cosine", "euclidean"]), columns=st.booleans(), data=st.data(),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_neighbours_are_those_of_brute_force_in_float64(
    n: int, d: int, k: int, seed: int, metric: Metric, columns: bool, data: st.DataObject
) -> None:
    # One decimal makes many equal rows, so ties are common.
    bank = np.round(unit(n, d, seed), 1) + np.float32(1e-3)
    bank = (bank / np.linalg.norm(bank, axis=1, keepdims=True)).astype(np.float32)
    norms = np.random.default_rng(seed).choice(np.float32([0, 0.5, 1, 30]), n)
    exclude = data.draw(st.sets(st.integers(0, n - 1)))
    among = data.draw(st.none() | st.lists(st.booleans(), min_size=n, max_size=n).map(np.array))
    query = unit(1, d, seed + 1)[0] * np.float32(data.draw(st.sampled_from([0.5, 20])))
    index = Index(bank, norms)
    found = (index.in_columns() if columns else index).by(metric).search(query, k, exclude, among)
    nearness = brute_force(bank * norms[:, None] if metric == "euclidean" else bank, query, metric)
    left = [i for i in range(n) if i not in exclude and (among is None or among[i])]
    expected = sorted(left, key=lambda i: (-nearness[i], i))[:k]
    np.testing.assert_allclose(nearness[found.indices], nearness[expected], atol=1e-6 * norms.max())
    np.testing.assert_allclose(np.abs(found.scores), np.abs(nearness[expected]), atol=1e-6 * norms.max())
    assert sorted(set(found.indices.tolist())) == sorted(found.indices.tolist())
    assert set(found.indices.tolist()) <= set(left)
    assert (found.engine, found.note) == ("exact", "")


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_rounding_in_the_first_pass_loses_no_neighbour(metric: Metric) -> None:
    # All so near to each other that float32 cannot tell them apart.
    base, step = unit(1, 64)[0], unit(400, 64, seed=1) * np.float32(1e-4)
    bank = base + step
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    norms = np.full(400, 100, np.float32)
    index = Index(bank, norms).in_columns().by(metric)
    query = index.vectors(np.array([3]))[0]
    nearness = brute_force(index.vectors(np.arange(400)), query, metric)
    nearest = index.search(query, 7).indices
    np.testing.assert_allclose(
        nearness[nearest], np.sort(nearness)[::-1][:7], atol=1e-12 if metric == "cosine" else 1e-5
    )
    assert nearest[0] == 3


def test_equal_rows_have_equal_scores_wherever_they_stand() -> None:
    bank = np.repeat(unit(3, 100), 50, axis=0)
    scores = Index(bank).search(unit(1, 100, seed=5)[0], 150).scores
    assert len(set(scores.tolist())) == 3


def test_euclidean_distances_need_the_lengths_of_the_features() -> None:
    with pytest.raises(ValueError, match="directions without lengths"):
        Index(unit(3, 4)).by("euclidean")
    with pytest.raises(ValueError, match="norms must be 3 finite numbers"):
        Index(unit(3, 4), np.float32([1, 2, np.nan]))


def test_an_index_is_opened_with_the_lengths_beside_it(tmp_path: Path) -> None:
    bank = unit(5, 4)
    np.save(tmp_path / "features.npy", bank)
    assert open_index(tmp_path / "features.npy").norms is None
    np.save(tmp_path / "features.norms.npy", np.arange(5, dtype=np.float32))
    index = open_index(tmp_path / "features.npy").by("euclidean")
    found = index.search(bank[4] * 4, 2)
    assert found.indices[0] == 4
    assert found.scores[0] == pytest.approx(0, abs=1e-6)


def test_an_image_finds_itself_first_unless_excluded() -> None:
    bank = unit(500, 16)
    index = Index(bank)
    found = index.search(bank[7], 3)
    assert found.indices[0] == 7
    assert found.scores[0] == pytest.approx(1, abs=1e-6)
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
    everything, similar = Index(bank).search(bank[1], 200)[:2]
    expected = [i for i in everything.tolist() if i % 3 == 0 and i != 99]
    found, similarity = Index(bank).search(bank[1], 200, {99, 100}, among)[:2]
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
    found, similarity = Index(unit(3, 4)).search(unit(1, 4)[0], 2, {0, 1, 2})[:2]
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


@given(st.lists(st.integers(0, 2), min_size=2, max_size=30))
@settings(deadline=None, max_examples=50)
def test_average_precision_of_the_whole_order_is_scikit_learns(labels: list[int]) -> None:
    from sklearn.metrics import average_precision_score

    relevant = np.array(labels) == 1
    found = average_precision(1, np.array(labels), int(relevant.sum()))
    if relevant.any():
        assert found == pytest.approx(average_precision_score(relevant, -np.arange(len(labels))))
    else:
        assert found is None


def test_average_precision_counts_what_was_not_found_as_worked_by_hand() -> None:
    # Hits 1 and 3 are of the class; two of five that could be found among four: (1/1 + 2/3) / 4.
    assert average_precision(1, np.array([1, 0, 1, 2]), 5) == pytest.approx((1 + 2 / 3) / 4)
    assert average_precision(1, np.array([1, -1, 0, 1]), 2) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(1, np.array([0, 0]), 3) == 0
    assert average_precision(-1, np.array([1]), 3) is None
    assert average_precision(1, np.array([-1]), 3) is None


@pytest.mark.parametrize("module", ["index", "encoder_file", "cli", "config", "events", "results", "runs"])
def test_what_a_server_reads_comes_without_torch(module: str) -> None:
    code = f"import sys, simclr.{module}; sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
