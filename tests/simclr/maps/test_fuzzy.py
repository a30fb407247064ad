"""The fuzzy graph of UMAP against its definition and a case worked by hand."""

import math

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from simclr.maps.fuzzy import fuzzy_graph, smooth_distances
from simclr.maps.layout import fit_curve
from simclr.maps.neighbours import Neighbours, nearest_others


def points(n: int, d: int = 5) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(n, d)).astype(np.float32)


def test_neighbours_equal_brute_force_and_never_hold_the_point_itself() -> None:
    space = points(300)
    found = nearest_others(space, 7)
    distances, indices = NearestNeighbors(n_neighbors=8, algorithm="brute").fit(space).kneighbors(space)
    assert (found.indices == indices[:, 1:]).all()
    np.testing.assert_allclose(found.distances, distances[:, 1:], atol=1e-5)


def test_of_many_equal_points_none_is_its_own_neighbour() -> None:
    found = nearest_others(np.ones((20, 3), np.float32), 4)
    assert (found.indices != np.arange(20)[:, None]).all()
    assert (found.distances == 0).all()


def test_more_neighbours_than_others_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="5 neighbours are asked for among 5 points: ask for 1 to 4"):
        nearest_others(points(5), 5)


def test_rho_and_sigma_equal_values_worked_by_hand() -> None:
    # Distances 1, 2, 3, 4, log2(4) = 2: with x = exp(-1/sigma), 1 + x + x^2 + x^3 = 2.
    x = 0.543689012692076
    rho, sigma = smooth_distances(np.array([[1, 2, 3, 4]], np.float32))
    assert rho[0] == 1
    assert sigma[0] == pytest.approx(-1 / math.log(x), rel=1e-9)


def test_sigma_solves_the_defining_equation_for_every_point() -> None:
    distances = nearest_others(points(200), 15).distances.astype(np.float64)
    rho, sigma = smooth_distances(distances.astype(np.float32))
    sums = np.exp(-np.maximum(distances - rho[:, None], 0) / sigma[:, None]).sum(axis=1)
    np.testing.assert_allclose(sums, np.log2(15), rtol=1e-5)


def test_points_in_one_place_have_no_distance_but_a_scale() -> None:
    rho, sigma = smooth_distances(np.array([[0, 0, 0], [0, 1, 2]], np.float32))
    assert rho.tolist() == [0, 1]
    assert (sigma > 0).all()
    assert np.isfinite(sigma).all()


def test_two_ends_memberships_unite_as_a_plus_b_minus_ab() -> None:
    space = points(60)
    near = nearest_others(space, 6)
    rho, sigma = smooth_distances(near.distances)
    said = np.zeros((60, 60))
    for i in range(60):
        for j, d in zip(near.indices[i], near.distances[i], strict=True):
            said[i, j] = math.exp(-max(0.0, float(d) - rho[i]) / sigma[i])
    graph = fuzzy_graph(near).toarray()
    np.testing.assert_allclose(graph, said + said.T - said * said.T, atol=1e-7)
    assert (graph == graph.T).all()


def test_everybodys_nearest_is_a_full_member() -> None:
    near = nearest_others(points(60), 6)
    graph = fuzzy_graph(near).toarray()
    assert graph[np.arange(60), near.indices[:, 0]] == pytest.approx(1)


def test_one_edge_by_hand() -> None:
    graph = fuzzy_graph(Neighbours(np.array([[1], [0]]), np.array([[2.0], [2.0]], np.float32))).toarray()
    assert graph.tolist() == [[0, 1], [1, 0]]


def test_the_curve_of_the_defaults_is_the_published_one() -> None:
    curve = fit_curve(0.1)
    assert (curve.a, curve.b) == pytest.approx((1.57694, 0.89506), rel=1e-4)
