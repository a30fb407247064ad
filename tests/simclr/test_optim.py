import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightly.utils import lars as lightly_lars
from torch import Tensor, nn

from simclr.config import EncoderConfig, OptimConfig
from simclr.encoders import build_encoder
from simclr.optim import LARS, MovingAverage, adamw, build_optimizer, scaled_rate, schedule, warmup_cosine


def test_biases_and_norms_are_not_pulled_towards_zero() -> None:
    encoder = build_encoder(EncoderConfig(width=8), 3)
    matrices, vectors = adamw(encoder, 1e-3, 0.1).param_groups
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.1, 0.0)
    assert all(p.ndim == 4 for p in matrices["params"])
    assert all(p.ndim == 1 for p in vectors["params"])
    assert len(matrices["params"]) + len(vectors["params"]) == len(list(encoder.parameters()))


def test_the_step_size_rises_linearly_and_falls_to_zero_along_a_cosine() -> None:
    shares = [warmup_cosine(step, 3, 11) for step in range(12)]
    assert shares[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert shares[7] == pytest.approx(0.5)
    assert shares[11] == pytest.approx(0, abs=1e-12)


@given(warmup=st.integers(0, 50), after=st.integers(1, 200))
def test_the_step_size_is_never_zero_while_training_and_peaks_at_the_full_rate(warmup: int, after: int) -> None:
    shares = [warmup_cosine(step, warmup, warmup + after) for step in range(warmup + after)]
    assert all(0 < share <= 1 for share in shares)
    assert shares[warmup] == max(shares) == 1
    assert shares[: warmup + 1] == sorted(shares[: warmup + 1])
    assert shares[warmup:] == sorted(shares[warmup:], reverse=True)


def test_the_scheduler_sets_the_rate_of_every_step() -> None:
    model = torch.nn.Linear(2, 2)
    optimizer = adamw(model, 0.1, 0.0)
    scheduler = schedule(optimizer, 2, 6)
    rates = []
    for _ in range(6):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx([0.1 * warmup_cosine(step, 2, 6) for step in range(6)])


def test_a_warm_up_that_leaves_no_step_is_refused() -> None:
    with pytest.raises(ValueError, match="6 warm-up steps of 6"):
        schedule(adamw(torch.nn.Linear(2, 2), 0.1, 0.0), 6, 6)


def one_weight(values: list[float], gradient: list[float]) -> nn.Parameter:
    weight = nn.Parameter(torch.tensor([values], dtype=torch.float64))
    weight.grad = torch.tensor([gradient], dtype=torch.float64)
    return weight


def test_a_step_of_lars_is_the_hand_worked_one() -> None:
    # ‖w‖ = 5, ‖g‖ = 10, decay 0.1: rate 0.02 · 5 / (10 + 0.5) = 1/105; along g + 0.1 w = (6.3, 8.4), with lr 0.5.
    weight = one_weight([3.0, 4.0], [6.0, 8.0])
    optimizer = LARS([{"params": [weight], "weight_decay": 0.1}], lr=0.5, momentum=0.9, trust=0.02)
    optimizer.step()
    assert weight.tolist()[0] == pytest.approx([3 - 0.5 * 6.3 / 105, 4 - 0.5 * 8.4 / 105])
    # The same gradient again: the new direction plus 0.9 of the last one.
    first = [6.3 / 105, 8.4 / 105]
    before = weight.detach().clone()
    size = float(before.norm())
    rate = 0.02 * size / (10 + 0.1 * size)
    optimizer.step()
    second = [rate * (g + 0.1 * w) + 0.9 * f for g, w, f in zip([6, 8], before.tolist()[0], first, strict=True)]
    assert (before - weight).tolist()[0] == pytest.approx([0.5 * s for s in second])


def test_clipped_lars_never_steps_further_than_sgd() -> None:
    # Unclipped the local rate is 100 · 5 / 10 = 50, over lr 0.5 still 100: clipped to 1, the step is lr · g.
    weight = one_weight([3.0, 4.0], [6.0, 8.0])
    LARS([{"params": [weight]}], lr=0.5, trust=100.0, clip=True).step()
    assert weight.tolist()[0] == pytest.approx([3 - 0.5 * 6, 4 - 0.5 * 8])
    # And where the local rate over lr is below 1 it is that share of SGD's step: 0.001 · 5 / 10 / 0.5 = 0.001.
    weight = one_weight([3.0, 4.0], [6.0, 8.0])
    LARS([{"params": [weight]}], lr=0.5, trust=1e-3, clip=True).step()
    assert weight.tolist()[0] == pytest.approx([3 - 0.5 * 6e-3, 4 - 0.5 * 8e-3])


@pytest.mark.parametrize(("values", "gradient"), [([0.0, 0.0], [6.0, 8.0]), ([3.0, 4.0], [0.0, 0.0])])
def test_lars_moves_like_sgd_where_a_norm_is_zero(values: list[float], gradient: list[float]) -> None:
    weight = one_weight(values, gradient)
    LARS([{"params": [weight]}], lr=0.5).step()
    assert weight.tolist()[0] == pytest.approx([v - 0.5 * g for v, g in zip(values, gradient, strict=True)])


def test_lars_equals_lightlys_over_a_whole_network() -> None:
    def trained(make: type) -> list[Tensor]:
        torch.manual_seed(0)
        model = build_encoder(EncoderConfig(width=8), 3).double()
        matrices = [p for p in model.parameters() if p.ndim > 1]
        vectors = [p for p in model.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": 1e-2}, {"params": vectors, "weight_decay": 0.0}]
        if make is LARS:
            groups[1]["adapt"] = False
            optimizer = LARS(groups, lr=0.3, momentum=0.9, trust=0.02)
        else:
            optimizer = lightly_lars.LARS(groups, lr=0.3, momentum=0.9, trust_coefficient=0.02)
        images = torch.rand(8, 3, 8, 8, dtype=torch.float64)
        for _ in range(5):
            optimizer.zero_grad()
            model(images).square().mean().backward()
            optimizer.step()
        return [p.detach() for p in model.parameters()]

    for ours, theirs in zip(trained(LARS), trained(lightly_lars.LARS), strict=True):
        # lightly adds 1e-8 to a norm, which the steps magnify.
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-8)


def test_lars_leaves_biases_and_norms_as_in_sgd_unless_told_otherwise() -> None:
    encoder = build_encoder(EncoderConfig(width=8), 3)
    matrices, vectors = build_optimizer(OptimConfig(optimizer="lars"), [encoder], 0.1, 1e-4).param_groups
    assert (matrices["adapt"], vectors["adapt"]) == (True, False)
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (1e-4, 0.0)
    (everything,) = build_optimizer(OptimConfig(optimizer="lars", decay_all=True), [encoder], 0.1, 1e-4).param_groups
    assert everything["adapt"]
    assert len(everything["params"]) == len(list(encoder.parameters()))


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "lars"])
def test_every_optimiser_lowers_a_loss(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    inputs, wanted = torch.randn(32, 4), torch.randn(32, 1)
    optimizer = build_optimizer(OptimConfig(optimizer=name, trust=0.1), [model], 0.05, 0.0)
    losses = []
    for _ in range(30):
        loss = (model(inputs) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"lr": 0.0}, r"lr \(0.0\)"), ({"momentum": 1.0}, r"momentum \(1.0\)"), ({"trust": 0.0}, r"trust \(0.0\)")],
)
def test_lars_refuses_numbers_out_of_range_by_name(settings: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        LARS([{"params": [nn.Parameter(torch.ones(1))]}], **{"lr": 0.1, **settings})


def test_the_learning_rate_grows_with_the_batch_as_asked() -> None:
    assert scaled_rate(0.3, "none", 1024) == 0.3
    assert scaled_rate(0.3, "linear", 1024) == pytest.approx(1.2)
    assert scaled_rate(0.3, "square_root", 1024) == pytest.approx(0.6)
    assert scaled_rate(0.3, "linear", 256) == scaled_rate(0.3, "square_root", 256) == 0.3
    with pytest.raises(ValueError, match="scaling is 'cubic'"):
        scaled_rate(0.3, "cubic", 256)


def test_the_warm_up_may_start_above_zero_and_the_rate_may_stay() -> None:
    shares = [warmup_cosine(step, 3, 11, 0.2, constant=True) for step in range(11)]
    assert shares[:4] == pytest.approx([0.4, 0.6, 0.8, 1.0])
    assert shares[3:] == [1.0] * 8


def test_the_moving_average_follows_weights_slowly_and_copies_statistics() -> None:
    torch.manual_seed(0)
    module, copy = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = MovingAverage(module, copy, 0.75)
    start = module[0].weight.detach().clone()
    with torch.no_grad():
        module[0].weight.add_(4.0)
        module[1].running_mean.fill_(3.0)
    average.follow()
    torch.testing.assert_close(copy[0].weight, start + 1.0)
    assert torch.equal(copy[1].running_mean, torch.full((2,), 3.0))
    assert not any(p.requires_grad for p in copy.parameters())
