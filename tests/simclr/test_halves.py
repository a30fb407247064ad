import copy

import pytest
import torch
from torch import Tensor, nn

from simclr.config import EncoderConfig
from simclr.encoders import ProjectionHead, build_encoder
from simclr.halves import Halves, halves
from simclr.loss import nt_xent


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(build_encoder(EncoderConfig(width=8), 3), ProjectionHead(32, 2, 16, 8, True))


VIEWS = torch.rand(2, 12, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def encode(model: nn.Module, number: int) -> Tensor:
    z: Tensor = model(VIEWS[number])
    return z


def step(model: nn.Module, threads: int) -> tuple[Tensor, list[Tensor]]:
    with halves(model, threads) as both:
        loss = nt_xent(*both(encode), 0.5)
        loss.backward()
        both.settle()
    return loss.detach(), [p.grad for p in model.parameters() if p.grad is not None]


def test_two_halves_have_the_loss_and_gradients_of_one_graph() -> None:
    model, plain = network(), network()
    loss, gradients = step(model, 1)
    expected = nt_xent(plain(VIEWS[0]), plain(VIEWS[1]), 0.5)
    expected.backward()
    # The sums over the two views are formed in another order.
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-6, atol=0)
    for ours, theirs in zip(gradients, (p.grad for p in plain.parameters()), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)


def test_threads_change_no_bit() -> None:
    alone, beside = network(), network()
    (loss, gradients), (other, others) = step(alone, 1), step(beside, 2)
    assert torch.equal(loss, other)
    assert all(torch.equal(a, b) for a, b in zip(gradients, others, strict=True))
    for ours, theirs in zip(alone.state_dict().values(), beside.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_batch_norms_statistics_become_the_mean_of_both_views() -> None:
    model, firsts, seconds = network(), network(), network()
    step(model, 2)
    firsts(VIEWS[0])
    seconds(VIEWS[1])
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point():
            expected = (firsts.get_buffer(name) + seconds.get_buffer(name)) / 2
            torch.testing.assert_close(buffer, expected, rtol=1e-5, atol=1e-7)


def test_it_does_not_matter_how_often_statistics_are_settled() -> None:
    def trained(every: int) -> dict[str, Tensor]:
        model = network()
        both = Halves(model, 1)
        for number in range(4):
            both(encode)
            if (number + 1) % every == 0:
                both.settle()
        return dict(model.named_buffers())

    often, once = trained(1), trained(4)
    for name, buffer in often.items():
        torch.testing.assert_close(buffer, once[name], rtol=1e-5, atol=1e-7)


def test_the_twin_shares_every_weight_and_no_statistic() -> None:
    model = network()
    both = Halves(model, 1)
    ours, theirs = both.networks
    assert all(a is b for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert not any(a is b for a, b in zip(ours.buffers(), theirs.buffers(), strict=True))


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_in_a_half_comes_out(threads: int) -> None:
    def broken(model: nn.Module, number: int) -> Tensor:
        if number == 1:
            raise ValueError("the second view is broken")
        return encode(model, number)

    with halves(network(), threads) as both, pytest.raises(ValueError, match="second view is broken"):
        both(broken)


def test_frozen_weights_get_no_gradient() -> None:
    model = network()
    model[0].requires_grad_(False)
    before = copy.deepcopy(model[0].state_dict())
    step(model, 2)
    assert all(p.grad is None for p in model[0].parameters())
    assert all(p.grad is not None for p in model[1].parameters())
    assert torch.equal(
        before["conv1.weight" if "conv1.weight" in before else "stem.0.weight"], next(model[0].parameters())
    )
