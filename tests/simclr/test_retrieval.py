"""Retrieval against scikit-learn, a search one by one, and figures worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import skew, t  # type: ignore[import-untyped]
from sklearn.metrics import average_precision_score
from sklearn.neighbors import NearestNeighbors

from simclr import retrieval as module
from simclr.index import Index
from simclr.retrieval import Estimate, find_hubs, retrieval

pytestmark = pytest.mark.slow


def unit(n: int, d: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def on_a_circle(*degrees: float) -> NDArray[np.float32]:
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_four_images_on_a_circle_are_as_worked_by_hand() -> None:
    # From 0°: 10° (other class), 30° (same), 100° (same): precision at 1, 2, 3 is 0, 1/2, 2/3; AP (1/2 + 2/3) / 2.
    bank, labels = on_a_circle(0, 10, 30, 100), np.array([0, 1, 0, 0])
    found = retrieval(bank, labels, np.array([0]), np.arange(4), ks=(1, 2, 3))
    assert [found.precision[k].value for k in (1, 2, 3)] == pytest.approx([0, 1 / 2, 2 / 3])
    assert [found.recall[k].value for k in (1, 2, 3)] == [0, 1, 1]
    assert found.mean_average_precision.value == pytest.approx(7 / 12)
    assert found.chance == pytest.approx(2 / 3)
    assert (found.queries, found.gallery, found.mean_average_precision.low) == (1, 4, None)


@given(seed=st.integers(0, 10**6), classes=st.integers(1, 5), block=st.sampled_from([1, 200, 1 << 24]))
@settings(deadline=None, max_examples=40)
def test_average_precision_is_scikit_learns_and_precision_that_of_a_search(seed: int, classes: int, block: int) -> None:
    bank, random = unit(60, 6, seed), np.random.default_rng(seed)
    labels = random.integers(0, classes, 60)
    queries, gallery = random.permutation(60)[:20], np.sort(random.permutation(60)[:45])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        found = retrieval(bank, labels, queries, gallery)
    precise, hit, average = [], [], []
    for query in queries:
        others = gallery[gallery != query]
        same = labels[others] == labels[query]
        if not same.any():
            continue
        nearest = Index(bank[others]).search(bank[query], 10).indices
        precise.append(same[nearest].mean())
        hit.append(same[nearest[:5]].any())
        average.append(average_precision_score(same, bank[others] @ bank[query]))
    assert found.queries == len(average)
    assert found.precision[10].value == pytest.approx(np.mean(precise))
    assert found.recall[5].value == pytest.approx(np.mean(hit))
    assert found.mean_average_precision.value == pytest.approx(np.mean(average))
    assert sum(each.n for each in found.per_class) == found.queries
    weighted = sum(each.n * each.average_precision for each in found.per_class) / found.queries
    assert weighted == pytest.approx(found.mean_average_precision.value)


def test_an_interval_is_students_and_no_share_leaves_its_range() -> None:
    values = np.array([0.0, 0.5, 1.0, 1.0])
    half = t.ppf(0.975, 3) * values.std(ddof=1) / 2
    found = Estimate.of(values)
    assert (found.value, found.high) == (0.625, 1.0)
    assert found.low == pytest.approx(max(0, 0.625 - half))


def test_neighbours_of_a_class_by_itself_are_all_of_it_and_random_ones_at_chance() -> None:
    labels = np.repeat(np.arange(4), 100)
    tight = unit(4, 16)[labels] + unit(400, 16, seed=1) * np.float32(0.05)
    tight /= np.linalg.norm(tight, axis=1, keepdims=True)
    everybody = np.arange(400)
    assert retrieval(tight, labels, everybody, everybody).mean_average_precision.value > 0.99
    random = retrieval(unit(400, 16), labels, everybody, everybody)
    assert random.chance == pytest.approx(99 / 399)
    assert random.precision[10].value == pytest.approx(random.chance, abs=0.03)


def test_hubs_are_those_that_scikit_learns_neighbours_name() -> None:
    bank = unit(300, 8)
    search = NearestNeighbors(n_neighbors=6, metric="cosine").fit(bank)  # type: ignore[no-untyped-call]
    nearest = search.kneighbors(bank, return_distance=False)
    counted = np.bincount(nearest[:, 1:].ravel(), minlength=300)
    found = find_hubs(bank, 5)
    assert found.occurrences.tolist() == counted.tolist()
    assert found.occurrences.mean() == 5
    assert found.skewness == pytest.approx(skew(counted))
    assert found.occurrences[found.hubs[0]] == counted.max()
    assert found.orphans.tolist() == np.flatnonzero(counted == 0).tolist()


def test_an_image_between_all_others_is_the_hub_and_one_apart_an_orphan() -> None:
    bank = on_a_circle(0, 30, 60, 180)
    found = find_hubs(bank, 1)
    # 0° and 60° both turn to 30°, which is as near to one as to the other; 180° is nobody's nearest.
    assert found.hubs[0] == 1
    assert 3 in found.orphans
    assert find_hubs(on_a_circle(0, 90, 180, 270)[[0, 2]], 1).skewness == 0


@pytest.mark.parametrize(
    ("labels", "queries", "gallery", "problem"),
    [
        ([0, 0, -1, 1] * 5, [0], range(20), "leave out"),
        ([0] * 20, [0], range(10), "the largest k is 10"),
        ([0, *[1] * 19], [0], range(20), "no query"),
    ],
)
def test_what_cannot_be_judged_is_refused(labels: list[int], queries: list[int], gallery: range, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        retrieval(unit(20, 4), np.array(labels), np.array(queries), np.array(gallery))


@pytest.mark.parametrize("k", [0, 20])
def test_hubs_need_more_images_than_neighbours(k: int) -> None:
    with pytest.raises(ValueError, match=f"k is {k}"):
        find_hubs(unit(20, 4), k)
