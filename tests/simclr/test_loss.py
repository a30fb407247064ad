import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightly.loss import DCLLoss, NTXentLoss
from torch import Tensor
from torch.nn import functional

from simclr.loss import chance_level, dcl, nt_xent, sup_con

Loss = Callable[[Tensor, Tensor, float], Tensor]
LOSSES: dict[str, Loss] = {
    "nt_xent": nt_xent,
    "dcl": dcl,
    "sup_con": lambda first, second, t: sup_con(first, second, torch.arange(len(first)) % 3 - 1, t),  # -1: no label
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def cosines(first: Tensor, second: Tensor) -> list[list[float]]:
    """Similarities of all views, in which 2k and 2k + 1 are a pair, one by one in float64."""
    units = [view / view.norm() for pair in zip(first.double(), second.double(), strict=True) for view in pair]
    return [[float(a @ b) for b in units] for a in units]


def algorithm_1(first: Tensor, second: Tensor, temperature: float) -> float:
    """SimCLR's Algorithm 1 as printed: views 2k-1 and 2k are a pair, one anchor and one negative at a time."""
    s = cosines(first, second)
    n = len(s)

    def ell(i: int, j: int) -> float:
        others = sum(math.exp(s[i][k] / temperature) for k in range(n) if k != i)
        return -math.log(math.exp(s[i][j] / temperature) / others)

    return sum(ell(k, k + 1) + ell(k + 1, k) for k in range(0, n, 2)) / n


def equation_6(first: Tensor, second: Tensor, temperature: float) -> float:
    """DCL's loss term by term: the views of the anchor's own image are no negatives."""
    s = cosines(first, second)
    n = len(s)
    losses = []
    for i in range(n):
        partner = i ^ 1
        negatives = sum(math.exp(s[i][k] / temperature) for k in range(n) if k not in (i, partner))
        losses.append(-s[i][partner] / temperature + math.log(negatives))
    return sum(losses) / n


def equation_2(first: Tensor, second: Tensor, labels: list[int], temperature: float) -> float:
    """SupCon's loss with the sum over positives outside the logarithm, term by term; below 0 is no label."""
    s = cosines(first, second)
    n = len(s)
    losses = []
    for i in range(n):
        own = labels[i // 2]
        positives = [p for p in range(n) if p != i and (p == i ^ 1 or (own >= 0 and labels[p // 2] == own))]
        others = sum(math.exp(s[i][k] / temperature) for k in range(n) if k != i)
        losses.append(-sum(math.log(math.exp(s[i][p] / temperature) / others) for p in positives) / len(positives))
    return sum(losses) / n


def solo_learns_convention(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """The same loss as solo-learn defines it: exponentials of all views by all, indexes of images to mask by, a mean of -log.

    Positives are other views of the same image, negatives views of other images; the denominator holds both.
    """
    views = functional.normalize(torch.cat((first, second)), dim=1)
    image = torch.arange(len(first)).repeat(2)
    exponentials = torch.exp(views @ views.T / temperature)
    same = image[:, None] == image
    positives = (exponentials * (same & ~torch.eye(len(views), dtype=torch.bool))).sum(dim=1)
    negatives = (exponentials * ~same).sum(dim=1)
    return -torch.log(positives / (positives + negatives)).mean()


def pair_of_views(n: int, d: int, seed: int) -> tuple[Tensor, Tensor]:
    first, second = torch.randn(2, n, d, generator=torch.Generator().manual_seed(seed))
    return first, second


@given(n=st.integers(1, 8), d=st.integers(1, 16), temperature=st.floats(0.05, 5), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_the_loss_is_algorithm_1(n: int, d: int, temperature: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, n, d, generator=generator)
    # float32 similarities are good to 1e-7, divided by temperatures down to 0.05.
    assert float(nt_xent(first, second, temperature)) == pytest.approx(
        algorithm_1(first, second, temperature), abs=2e-5
    )


@given(n=st.integers(2, 8), d=st.integers(1, 16), temperature=st.floats(0.05, 5), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_dcl_is_equation_6(n: int, d: int, temperature: float, seed: int) -> None:
    first, second = pair_of_views(n, d, seed)
    # As above.
    assert float(dcl(first, second, temperature)) == pytest.approx(equation_6(first, second, temperature), abs=2e-5)


@given(
    labels=st.lists(st.integers(-1, 3), min_size=1, max_size=10),
    d=st.integers(1, 16),
    temperature=st.floats(0.05, 5),
    seed=st.integers(0, 10**6),
)
@settings(deadline=None, max_examples=60)
def test_sup_con_is_equation_2(labels: list[int], d: int, temperature: float, seed: int) -> None:
    first, second = pair_of_views(len(labels), d, seed)
    # As above; the sums over classes of up to 20 views lose another factor of two.
    assert float(sup_con(first, second, torch.tensor(labels), temperature)) == pytest.approx(
        equation_2(first, second, labels, temperature), abs=4e-5
    )


def compare(ours: Loss, theirs: Loss, temperature: float) -> None:
    """Losses to 1e-6, relative; gradients, about 1e-3 large, to 1e-4 of themselves."""
    first, second = (view.requires_grad_() for view in pair_of_views(64, 128, 0))
    losses = ours(first, second, temperature), theirs(first, second, temperature)
    torch.testing.assert_close(*losses, atol=0, rtol=1e-6)
    gradients = [torch.autograd.grad(loss, (first, second)) for loss in losses]
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-8, rtol=1e-4)


@pytest.mark.parametrize("temperature", [0.07, 0.2, 0.5, 1.0])
def test_loss_and_gradient_equal_lightlys(temperature: float) -> None:
    compare(nt_xent, lambda a, b, t: NTXentLoss(temperature=t)(a, b), temperature)


@pytest.mark.parametrize("temperature", [0.07, 0.2, 0.5, 1.0])
def test_dcl_and_its_gradient_equal_lightlys(temperature: float) -> None:
    compare(dcl, lambda a, b, t: DCLLoss(temperature=t)(a, b), temperature)


@pytest.mark.parametrize("temperature", [0.07, 0.2, 0.5, 1.0])
def test_loss_and_gradient_equal_solo_learns_convention(temperature: float) -> None:
    compare(nt_xent, solo_learns_convention, temperature)


@pytest.mark.parametrize("labels", [torch.arange(64), torch.full((64,), -1), torch.arange(64).flip(0) * 7 - 1])
def test_sup_con_without_shared_labels_is_nt_xent(labels: Tensor) -> None:
    compare(lambda a, b, t: sup_con(a, b, labels, t), nt_xent, 0.2)


def test_sup_con_takes_no_heed_of_the_names_and_order_of_classes() -> None:
    first, second = pair_of_views(12, 8, 0)
    labels = torch.arange(12) % 4 - 1
    loss = sup_con(first, second, labels, 0.2)
    renamed = torch.where(labels < 0, labels, 10**9 - labels)
    torch.testing.assert_close(sup_con(first, second, renamed, 0.2), loss)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(sup_con(first[order], second[order], labels[order], 0.2), loss)


def test_the_values_published_with_a_coursework_are_reproduced() -> None:
    torch.manual_seed(33)
    shapes = [(3, 5), (3, 125), (33, 5), (33, 125)]
    losses = [float(nt_xent(torch.rand(n, d), torch.rand(n, d), 0.5)) for n, d in shapes]
    assert losses == pytest.approx([1.7518, 1.6376, 4.194, 4.1754], rel=1e-3)


@every_loss
# At 0.001 exponentials overflow even in float64, and the careful sums take over; the loss is steep there.
@pytest.mark.parametrize(("temperature", "atol"), [(0.3, 1e-5), (0.001, 1e-2)])
def test_the_gradient_is_that_of_finite_differences(loss: Loss, temperature: float, atol: float) -> None:
    torch.manual_seed(0)
    views = [torch.randn(6, 3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert loss(*views, temperature).dtype == torch.float64
    assert torch.autograd.gradcheck(lambda a, b: loss(a, b, temperature), views, atol=atol)


@every_loss
def test_a_gradient_through_one_view_alone_is_the_part_of_both(loss: Loss) -> None:
    first, second = (view.requires_grad_() for view in pair_of_views(8, 4, 0))
    both = torch.autograd.grad(loss(first, second, 0.2), (first, second))
    assert torch.equal(torch.autograd.grad(loss(first, second.detach(), 0.2), first)[0], both[0])
    assert torch.equal(torch.autograd.grad(loss(first.detach(), second, 0.2), second)[0], both[1])


@every_loss
@pytest.mark.parametrize("n", [2, 300])
@pytest.mark.parametrize("temperature", [0.01, 0.001])
def test_low_temperatures_give_the_loss_and_gradient_of_float64(loss: Loss, n: int, temperature: float) -> None:
    views = pair_of_views(n, 128, 0)
    found = [view.clone().requires_grad_() for view in views]
    exact = [view.double().requires_grad_() for view in views]
    loss(*found, temperature).backward()
    expected = loss(*exact, temperature)
    expected.backward()
    # Similarities over the temperature are good to 1e-7 of 1 / temperature, and so is the loss, twice over.
    rounding = 2e-7 / temperature
    assert float(loss(*found, temperature).detach()) == pytest.approx(float(expected.detach()), abs=2 * rounding)
    for ours, theirs in zip(found, exact, strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        largest = float(theirs.grad.abs().max())
        torch.testing.assert_close(ours.grad.double(), theirs.grad, atol=10 * rounding * largest, rtol=0)


@every_loss
def test_opposite_partners_at_a_low_temperature_have_a_finite_loss_and_gradient(loss: Loss) -> None:
    first = torch.eye(4, requires_grad=True)
    found = loss(first, -first, 0.01)
    found.backward()
    # The partner is 1 / 0.01 away, all others at right angles.
    assert 99 < float(found.detach()) < 103
    assert first.grad is not None
    assert bool(first.grad.isfinite().all())


def test_features_that_tell_nothing_apart_have_the_loss_of_chance() -> None:
    same = torch.ones(16, 8)
    assert float(nt_xent(same, same, 0.2)) == pytest.approx(chance_level(16), abs=1e-5)
    assert float(dcl(same, same, 0.2)) == pytest.approx(chance_level(16, "dcl"), abs=1e-5)
    assert float(sup_con(same, same, torch.arange(16) % 3, 0.2)) == pytest.approx(chance_level(16, "supcon"), abs=1e-5)
    assert chance_level(512) == pytest.approx(math.log(1023))
    assert chance_level(512, "dcl") == pytest.approx(math.log(1022))


def test_perfect_pairs_far_from_all_others_have_nearly_no_loss() -> None:
    views = torch.eye(16)
    assert float(nt_xent(views, views, 0.05)) < 1e-6


def test_one_pair_has_no_negatives_and_no_loss() -> None:
    assert float(nt_xent(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), 0.5)) == pytest.approx(0, abs=1e-6)
    assert chance_level(1) == 0


@every_loss
def test_scale_does_not_matter_and_swapping_the_views_neither(loss: Loss) -> None:
    first, second = pair_of_views(8, 4, 0)
    found = loss(first, second, 0.2)
    torch.testing.assert_close(loss(1000 * first, 0.01 * second, 0.2), found)
    torch.testing.assert_close(loss(second, first, 0.2), found)


@every_loss
def test_under_autocast_loss_and_gradient_are_computed_in_float32(loss: Loss) -> None:
    half = [view.bfloat16() for view in pair_of_views(32, 16, 0)]
    inside, outside = ([view.detach().clone().requires_grad_() for view in half] for _ in range(2))
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(*inside, 0.1)
        found.backward()
    assert found.dtype == torch.float32
    expected = loss(*(view.float() for view in outside), 0.1)
    expected.backward()
    assert torch.equal(found, expected)
    for ours, theirs in zip(inside, outside, strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        assert torch.equal(ours.grad, theirs.grad)


@every_loss
def test_views_of_zero_length_give_a_finite_loss_and_gradient(loss: Loss) -> None:
    first = torch.zeros(4, 8, requires_grad=True)
    found = loss(first, torch.randn(4, 8), 0.1)
    found.backward()
    assert bool(found.isfinite())
    assert first.grad is not None
    assert bool(first.grad.isfinite().all())


@every_loss
def test_a_diverged_encoder_shows_as_nan(loss: Loss) -> None:
    first, second = pair_of_views(4, 8, 0)
    first[0, 0] = math.nan
    assert math.isnan(float(loss(first, second, 0.1)))


def test_gathering_without_other_processes_changes_nothing() -> None:
    views, labels = pair_of_views(8, 4, 0), torch.arange(8) % 3 - 1
    assert torch.equal(nt_xent(*views, 0.2, gather=True), nt_xent(*views, 0.2))
    assert torch.equal(dcl(*views, 0.2, gather=True), dcl(*views, 0.2))
    assert torch.equal(sup_con(*views, labels, 0.2, gather=True), sup_con(*views, labels, 0.2))


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


@every_loss
def test_every_loss_refuses_what_has_none(loss: Loss) -> None:
    with pytest.raises(ValueError, match=r"views of shapes \(3, 4\) and \(2, 4\)"):
        loss(torch.zeros(3, 4), torch.zeros(2, 4), 0.5)
    with pytest.raises(ValueError, match="temperature is -1 but must be above 0"):
        loss(torch.ones(2, 4), torch.ones(2, 4), -1)


def test_dcl_refuses_a_single_pair() -> None:
    with pytest.raises(ValueError, match=r"one pair was given .* DCL needs at least two"):
        dcl(torch.ones(1, 4), torch.ones(1, 4), 0.5)


@pytest.mark.parametrize(
    "labels", [torch.zeros(3, dtype=torch.int64), torch.zeros(2), torch.zeros(2, 1, dtype=torch.int64)]
)
def test_sup_con_refuses_labels_that_are_not_one_integer_an_image(labels: Tensor) -> None:
    with pytest.raises(ValueError, match="2 pairs need an integer each, -1 where unlabelled"):
        sup_con(torch.ones(2, 4), torch.ones(2, 4), labels, 0.5)


def test_too_few_pairs_have_no_chance_level() -> None:
    with pytest.raises(ValueError, match="a batch of 0 pairs"):
        chance_level(0)
    with pytest.raises(ValueError, match="a batch of 1 pairs has no loss: at least 2"):
        chance_level(1, "dcl")
