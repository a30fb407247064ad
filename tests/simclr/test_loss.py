import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightly.loss import NTXentLoss
from torch import Tensor

from simclr.loss import chance_level, nt_xent


def algorithm_1(first: Tensor, second: Tensor, temperature: float) -> float:
    """SimCLR's Algorithm 1 as printed: views 2k-1 and 2k are a pair, one anchor and one negative at a time."""
    views = [view for pair in zip(first.double(), second.double(), strict=True) for view in pair]
    n = len(views)
    s = [[float(a @ b / (a.norm() * b.norm())) for b in views] for a in views]

    def ell(i: int, j: int) -> float:
        others = sum(math.exp(s[i][k] / temperature) for k in range(n) if k != i)
        return -math.log(math.exp(s[i][j] / temperature) / others)

    return sum(ell(k, k + 1) + ell(k + 1, k) for k in range(0, n, 2)) / n


@given(n=st.integers(1, 8), d=st.integers(1, 16), temperature=st.floats(0.05, 5), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_the_loss_is_algorithm_1(n: int, d: int, temperature: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, n, d, generator=generator)
    # float32 similarities are good to 1e-7, divided by temperatures down to 0.05.
    assert float(nt_xent(first, second, temperature)) == pytest.approx(
        algorithm_1(first, second, temperature), abs=2e-5
    )


@pytest.mark.parametrize("temperature", [0.07, 0.2, 0.5, 1.0])
def test_loss_and_gradient_equal_lightlys(temperature: float) -> None:
    torch.manual_seed(0)
    first, second = torch.randn(64, 128, requires_grad=True), torch.randn(64, 128, requires_grad=True)
    ours = nt_xent(first, second, temperature)
    theirs = NTXentLoss(temperature=temperature)(first, second)
    torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=0)
    gradients = [torch.autograd.grad(loss, (first, second)) for loss in (ours, theirs)]
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-8, rtol=1e-4)


def test_the_values_published_with_a_coursework_are_reproduced() -> None:
    torch.manual_seed(33)
    shapes = [(3, 5), (3, 125), (33, 5), (33, 125)]
    losses = [float(nt_xent(torch.rand(n, d), torch.rand(n, d), 0.5)) for n, d in shapes]
    assert losses == pytest.approx([1.7518, 1.6376, 4.194, 4.1754], rel=1e-3)


def test_the_gradient_is_that_of_finite_differences() -> None:
    torch.manual_seed(0)
    views = [torch.randn(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, 0.3), views)


def test_features_that_tell_nothing_apart_have_the_loss_of_chance() -> None:
    same = torch.ones(16, 8)
    assert float(nt_xent(same, same, 0.2)) == pytest.approx(chance_level(16), abs=1e-5)
    assert chance_level(512) == pytest.approx(math.log(1023))


def test_perfect_pairs_far_from_all_others_have_nearly_no_loss() -> None:
    views = torch.eye(16)
    assert float(nt_xent(views, views, 0.05)) < 1e-6


def test_one_pair_has_no_negatives_and_no_loss() -> None:
    assert float(nt_xent(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), 0.5)) == pytest.approx(0, abs=1e-6)
    assert chance_level(1) == 0


def test_scale_does_not_matter_and_swapping_the_views_neither() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(2, 8, 4)
    loss = nt_xent(first, second, 0.2)
    torch.testing.assert_close(nt_xent(1000 * first, 0.01 * second, 0.2), loss)
    torch.testing.assert_close(nt_xent(second, first, 0.2), loss)


def test_under_autocast_the_loss_is_computed_in_float32() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(2, 32, 16).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        inside = nt_xent(first, second, 0.1)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, nt_xent(first.float(), second.float(), 0.1))


def test_views_of_zero_length_give_a_finite_loss_and_gradient() -> None:
    first = torch.zeros(4, 8, requires_grad=True)
    loss = nt_xent(first, torch.randn(4, 8), 0.1)
    loss.backward()
    assert bool(loss.isfinite())
    assert first.grad is not None
    assert bool(first.grad.isfinite().all())


@pytest.mark.parametrize(
    ("first", "second", "temperature", "message"),
    [
        (torch.zeros(3, 4), torch.zeros(2, 4), 0.5, r"views of shapes \(3, 4\) and \(2, 4\)"),
        (torch.zeros(3), torch.zeros(3), 0.5, r"both must be the same \(N, D\)"),
        (torch.zeros(0, 4), torch.zeros(0, 4), 0.5, "no pairs were given"),
        (torch.ones(2, 4), torch.ones(2, 4), 0.0, "temperature is 0.0 but must be above 0"),
        (torch.ones(2, 4), torch.ones(2, 4), math.nan, "temperature is nan"),
    ],
)
def test_what_has_no_loss_is_refused(first: Tensor, second: Tensor, temperature: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nt_xent(first, second, temperature)


def test_no_pairs_have_no_chance_level() -> None:
    with pytest.raises(ValueError, match="a batch of 0 pairs"):
        chance_level(0)
