import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from simclr.config import EncoderConfig
from simclr.encoders import build_encoder
from simclr.optim import adamw, schedule, warmup_cosine


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
