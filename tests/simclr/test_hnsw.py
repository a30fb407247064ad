"""Approximate search: exact scores, honest recall, the exact engine where the graph would miss, and damaged files refused."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from simclr import approximate, hnsw
from simclr.approximate import Approximate, Recall, Sample
from simclr.hnsw import Damaged, Hnsw, build, graph_beside, read, write
from simclr.hnsw_builder import keep_built, main
from simclr.index import Index, Mask, Metric, norms_beside
from tests.simclr.test_index import unit

N, D = 1500, 12


@pytest.fixture(scope="module")
def exact() -> Index:
    return Index(unit(N, D), np.random.default_rng(1).uniform(5e4, 2e5, N).astype(np.float32))


@pytest.fixture(scope="module")
def graphs(exact: Index) -> dict[Metric, Hnsw]:
    metrics: tuple[Metric, ...] = ("cosine", "euclidean")
    return {metric: build(exact.by(metric)) for metric in metrics}


@pytest.fixture(autouse=True)
def small_banks_too(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(approximate, "FEWEST", 50)
    return


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_what_the_graph_finds_has_the_exact_scores_and_most_of_the_exact_neighbours(
    exact: Index, graphs: dict[Metric, Hnsw], metric: Metric
) -> None:
    truth, graph = exact.by(metric), graphs[metric]
    engine = Approximate(truth, graph)
    shares = []
    for row in range(0, N, 30):
        query = truth.vectors(np.array([row]))[0]
        found, expected = engine.search(query, 10, {row}), truth.search(query, 10, {row})
        assert (found.engine, found.note, row in found.indices) == ("hnsw", "", False)
        np.testing.assert_array_equal(found.scores, truth.rank(query, 10, np.sort(found.indices)).scores)
        shares.append(len(set(found.indices.tolist()) & set(expected.indices.tolist())) / 10)
    assert np.mean(shares) >= 0.95
    # Other queries than the graph was measured with.
    assert graph.recall.value == pytest.approx(np.mean(shares), abs=0.05)
    assert (graph.recall.at, graph.recall.queries) == (10, 200)


def test_filters_hold_and_the_graph_is_walked_further_for_them(exact: Index, graphs: dict[Metric, Hnsw]) -> None:
    engine, among = Approximate(exact, graphs["cosine"]), np.arange(N) % 4 == 1
    shares = []
    for row in range(1, N, 100):
        query = exact.features[row]
        found, expected = (each.search(query, 10, {row}, among) for each in (engine, exact))
        assert found.engine == "hnsw"
        assert among[found.indices].all()
        assert row not in found.indices
        shares.append(len(set(found.indices.tolist()) & set(expected.indices.tolist())) / 10)
    assert np.mean(shares) >= 0.95


@pytest.mark.parametrize(
    ("among", "k", "note"),
    [(np.arange(N) < 40, 10, "only 40 of 1,500 images may be found"), (None, N, "hnsw proposed only")],
)
def test_where_the_graph_would_miss_the_exact_engine_answers_and_says_so(
    exact: Index, graphs: dict[Metric, Hnsw], among: Mask | None, k: int, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = graphs["cosine"]
    if among is None:
        # A graph that falls apart proposes fewer than there are.
        monkeypatch.setattr(Hnsw, "propose", lambda *_asked: np.arange(100))
    found = Approximate(exact, graph).search(exact.features[3], k, {3}, among)
    expected = exact.search(exact.features[3], k, {3}, among)
    assert found.indices.tolist() == expected.indices.tolist()
    assert found.engine == "exact"
    assert found.note.startswith(note)


def test_as_many_are_found_as_the_exact_engine_finds_where_the_query_itself_is_filtered_out(
    exact: Index, monkeypatch: pytest.MonkeyPatch, graphs: dict[Metric, Hnsw]
) -> None:
    among = np.arange(N) < 100
    # One short of all that may be found.
    monkeypatch.setattr(Hnsw, "propose", lambda *_asked: np.arange(99))
    found = Approximate(exact, graphs["cosine"]).search(exact.features[700], 100, {700}, among)
    assert (len(found.indices), found.engine) == (100, "exact")


@pytest.mark.parametrize(("k", "exclude"), [(0, set()), (5, {N})])
def test_a_search_that_makes_no_sense_is_refused_as_by_the_exact_engine(
    exact: Index, graphs: dict[Metric, Hnsw], k: int, exclude: set[int]
) -> None:
    with pytest.raises(ValueError, match=r"k is 0|exclude names"):
        Approximate(exact, graphs["cosine"]).search(exact.features[0], k, exclude)


class Forgetful:
    """Proposes true neighbours, but only every second one."""

    name = "forgetful"
    recall = Recall(0.0, 0, 0)

    def __init__(self, exact: Index) -> None:
        self.exact = exact

    def propose(self, query: NDArray[np.float32], count: int, _among: Mask | None, _share: float) -> NDArray[np.int64]:
        nearest = self.exact.search(query, count).indices
        # The query itself is the nearest, and is left out of the sample.
        return np.concatenate([nearest[:1], nearest[2::2]])


def test_recall_is_the_share_of_the_true_neighbours_as_worked_by_hand(exact: Index) -> None:
    # Of ranks 1 to 10 the even ones are proposed: five of ten.
    assert Sample.draw(exact, 20, seed=0).recall(exact, Forgetful(exact)) == Recall(0.5, 10, 20)


def test_a_kept_graph_comes_back_as_it_was(exact: Index, graphs: dict[Metric, Hnsw], tmp_path: Path) -> None:
    write(graphs["cosine"], tmp_path / "kept.hnsw")
    again = read(tmp_path / "kept.hnsw", exact)
    assert again.facts.recall == graphs["cosine"].recall
    mine, theirs = (graph.propose(exact.features[5], 10, None, 1.0).tolist() for graph in (graphs["cosine"], again))
    assert mine == theirs
    with pytest.raises(Damaged, match="another bank"):
        read(tmp_path / "kept.hnsw", exact.by("euclidean"))
    with pytest.raises(Damaged, match="another bank"):
        read(tmp_path / "kept.hnsw", Index(unit(N, D, seed=9)))


def _cut(content: bytes) -> bytes:
    return content[:-100]


def _flip(content: bytes) -> bytes:
    return content[:5000] + bytes([content[5000] ^ 1]) + content[5001:]


def _begin_otherwise(content: bytes) -> bytes:
    return b"simclr" + content[7:]


def _empty(_content: bytes) -> bytes:
    return b"\n"


@pytest.mark.parametrize("harm", [_cut, _flip, _begin_otherwise, _empty])
def test_a_damaged_file_is_refused_and_built_again(
    tmp_path: Path, harm: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hnsw, "QUERIES", 5)
    bank = tmp_path / "features.npy"
    features = unit(300, 8)
    np.save(bank, features)
    np.save(norms_beside(bank), np.ones(300, np.float32))
    keep_built(bank, "cosine")
    kept = graph_beside(bank, "cosine")
    whole = kept.read_bytes()
    kept.write_bytes(harm(whole))  # type: ignore[operator]
    with pytest.raises(Damaged, match=r"damaged|no readable beginning"):
        read(kept, Index(features))
    keep_built(bank, "cosine")
    assert read(kept, Index(features)).recall.value > 0.9


def test_the_child_builds_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simclr.hnsw_builder.confine", lambda *_limits: True)
    np.save(tmp_path / "features.npy", unit(200, 4))
    assert main([str(tmp_path / "features.npy"), "cosine"]) == 0
    written = graph_beside(tmp_path / "features.npy", "cosine").stat()
    assert main([str(tmp_path / "features.npy"), "cosine"]) == 0
    assert graph_beside(tmp_path / "features.npy", "cosine").stat().st_mtime_ns == written.st_mtime_ns
