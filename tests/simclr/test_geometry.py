import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from simclr import geometry
from simclr.geometry import alignment, contrastive_ranks, effective_rank, feature_std, uniformity


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def unit(features: Tensor) -> NDArray[np.float64]:
    rows = features.double().numpy()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def listed_ranks(first: Tensor, second: Tensor) -> list[int]:
    """The partner's place in every view's list of all others, the nearest first, by sorting."""
    views = np.concatenate((unit(first), unit(second)))
    n = len(first)
    ranks = []
    for i, view in enumerate(views):
        others = [j for j in range(2 * n) if j != i]
        others.sort(key=lambda j: -float(views[j] @ view))
        ranks.append(others.index((i + n) % (2 * n)) + 1)
    return ranks


@given(n=st.integers(1, 20), d=st.integers(1, 12), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_alignment_and_spread_are_what_numpy_computes(n: int, d: int, seed: int) -> None:
    first, second = drawn(2, n, d, seed=seed)
    # float32 unit rows are good to 1e-7 in each of at most 12 dimensions.
    distances = ((unit(first) - unit(second)) ** 2).sum(axis=1)
    assert alignment(first, second) == pytest.approx(distances.mean(), abs=2e-6)
    assert feature_std(first) == pytest.approx(unit(first).std(axis=0).mean(), abs=2e-6)


@given(m=st.integers(2, 30), d=st.integers(1, 12), t=st.floats(0.1, 200), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_uniformity_is_the_papers_sum_over_all_pairs(m: int, d: int, t: float, seed: int) -> None:
    z = drawn(m, d, seed=seed)
    rows = unit(z)
    exponents = [-t * float(((rows[i] - rows[j]) ** 2).sum()) for i in range(m) for j in range(i)]
    expected = float(np.logaddexp.reduce(exponents)) - math.log(len(exponents))
    # Squared distances are good to about 1e-6, times t.
    assert uniformity(z, t) == pytest.approx(expected, abs=2e-6 * t + 1e-5)


def test_uniformity_of_opposite_corners_is_worked_by_hand() -> None:
    # Squared distances of a square's corners on the circle: 2, 2, 4 from each.
    corners = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    assert uniformity(corners) == pytest.approx(math.log((2 * math.exp(-4) + math.exp(-8)) / 3), abs=1e-5)


def test_pairs_at_right_angles_and_opposite_have_alignment_2_and_4() -> None:
    one, other = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 5.0]])
    assert alignment(one, one) == 0
    assert alignment(one, other) == pytest.approx(2)
    assert alignment(one, -one) == pytest.approx(4)


@given(n=st.integers(1, 30), d=st.integers(1, 20), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_effective_rank_is_rankme_by_singular_values(n: int, d: int, seed: int) -> None:
    features = drawn(n, d, seed=seed)
    values = np.linalg.svd(features.double().numpy(), compute_uv=False)
    shares = values / values.sum() + 1e-7
    # The Gram matrix in float64 knows singular values to 1e-8 of the largest.
    assert effective_rank(features) == pytest.approx(math.exp(-(shares * np.log(shares)).sum()), rel=1e-5)


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_orthogonal_directions_of_equal_length_count_fully(rank: int) -> None:
    features = torch.eye(8)[:rank].repeat(5, 1)
    # The source's ε adds up to 1.6e-6 per dimension.
    assert effective_rank(features) == pytest.approx(rank, rel=2e-5)


def test_a_collapsed_representation_has_rank_one_and_no_spread() -> None:
    same = torch.ones(32, 16)
    assert effective_rank(same) == pytest.approx(1, rel=5e-5)
    assert effective_rank(torch.zeros(32, 16)) == pytest.approx(1, rel=5e-5)
    assert feature_std(same) == pytest.approx(0, abs=1e-6)
    assert uniformity(same) == pytest.approx(0, abs=1e-5)


def test_evenly_spread_features_have_the_spread_of_chen_and_he() -> None:
    d = 64
    # 4,096 rows know each dimension's deviation to 1 / √8192 = 1.1 %, and their mean over 64 eight times better.
    assert feature_std(drawn(4096, d)) == pytest.approx(1 / math.sqrt(d), rel=0.01)


@given(n=st.integers(1, 20), d=st.integers(2, 12), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_ranks_are_places_in_a_sorted_list(n: int, d: int, seed: int) -> None:
    first, second = drawn(2, n, d, seed=seed)
    # Two similarities closer than 1e-6 are rare, and cost their two views half a rank each.
    expected = listed_ranks(first, second)
    found = contrastive_ranks(first, second)
    assert found.mean_rank == pytest.approx(np.mean(expected), abs=1.01 / n)
    assert found.top1 == pytest.approx(np.mean(np.array(expected) <= 1), abs=1.01 / n)
    assert found.top5 == pytest.approx(np.mean(np.array(expected) <= 5), abs=1.01 / n)


def test_ranks_of_four_views_are_worked_by_hand() -> None:
    # Angles 0° and 10° are a pair, so are 40° and 5°: 0° finds 5° nearer than 10°, 10° finds 5° nearer than 0°;
    # 40° finds 10° nearer than 5°; 5° is as far from 0° as from 10°, both nearer than 40°.
    def at(*degrees: float) -> Tensor:
        return torch.tensor([[math.cos(math.radians(d)), math.sin(math.radians(d))] for d in degrees])

    found = contrastive_ranks(at(0, 40), at(10, 5))
    assert found == (0.0, 1.0, pytest.approx((2 + 2 + 2 + 3) / 4))


def test_partners_that_coincide_and_others_apart_come_first() -> None:
    assert contrastive_ranks(torch.eye(8), torch.eye(8)) == (1.0, 1.0, 1.0)


def test_ties_count_half() -> None:
    # All 15 others are alike: the partner stands in their middle, the eighth.
    assert contrastive_ranks(torch.ones(8, 300), torch.ones(8, 300)) == (0.0, 0.0, 8.0)


def test_random_views_find_their_partner_as_often_as_chance() -> None:
    n = 256
    found = contrastive_ranks(drawn(n, 64, seed=1), drawn(n, 64, seed=2))
    # The mean of 512 ranks, uniform on 1 to 511, has a deviation of 511 / √12 / √512 = 6.5; 4 of them, as pairs correlate.
    assert found.mean_rank == pytest.approx(n, abs=26)
    # 5 of 511 in 512 draws is 5 ± 2.2.
    assert found.top5 == pytest.approx(5 / (2 * n - 1), abs=0.02)


@pytest.mark.parametrize("block", [1, 7, 100])
def test_blocks_of_any_size_find_the_same_ranks(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = drawn(2, 13, 4)
    whole = contrastive_ranks(first, first + second)
    monkeypatch.setattr(geometry, "BLOCK", block)
    assert contrastive_ranks(first, first + second) == whole


def test_measures_ignore_scale_gradient_and_autocast() -> None:
    first, second = drawn(2, 32, 8)
    tracked = first.clone().requires_grad_()
    plain = (alignment(first, second), uniformity(first), feature_std(first), *contrastive_ranks(first, second))
    with torch.autocast("cpu", torch.bfloat16):
        cast = (
            alignment(tracked, second),
            uniformity(tracked),
            feature_std(tracked),
            *contrastive_ranks(tracked, second),
        )
        assert effective_rank(tracked) == effective_rank(first)
    assert cast == plain
    scaled = (alignment(3 * first, 0.1 * second), uniformity(3 * first), feature_std(3 * first))
    assert scaled == pytest.approx(plain[:3], rel=1e-5)


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (lambda: alignment(torch.ones(3, 4), torch.ones(2, 4)), r"views of shapes \(3, 4\) and \(2, 4\)"),
        (lambda: alignment(torch.ones(0, 4), torch.ones(0, 4)), r"shape \(0, 4\).*N at least 1"),
        (lambda: contrastive_ranks(torch.ones(3), torch.ones(3)), r"shape \(3,\)"),
        (lambda: uniformity(torch.ones(1, 4)), "N at least 2"),
        (lambda: uniformity(torch.ones(2, 4), t=0), "t is 0 but must be above 0"),
        (lambda: feature_std(torch.ones(0, 4)), "N at least 1"),
        (lambda: effective_rank(torch.ones(4)), r"shape \(4,\)"),
        (lambda: effective_rank(torch.full((2, 2), math.nan)), "NaN or infinity"),
    ],
)
def test_what_has_no_geometry_is_refused(measure: object, message: str) -> None:
    assert callable(measure)
    with pytest.raises(ValueError, match=message):
        measure()
