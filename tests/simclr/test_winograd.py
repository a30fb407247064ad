"""3×3 convolutions by Winograd's method are those of torch, forwards and backwards."""

import copy
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from simclr import winograd
from simclr.config import EncoderConfig
from simclr.device import choose_device
from simclr.encoders import seeded
from simclr.native import Native
from simclr.winograd import FEWEST_TILES, Conv3x3, compiled, suits, told

NEEDS_IT = pytest.mark.skipif(compiled().functions is None, reason=f"not compiled here: {compiled().why_not}")
# Sums of float32 in another order: so far from float64, as a share of the largest value; torch's own are up to 1e-5 off.
ROUNDING = 1e-5
CHANNELS = [(16, 16), (48, 80), (96, 32)]


def channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last)


def random(*shape: int, seed: int = 0) -> Tensor:
    return channels_last(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))


def convolution(channels_in: int, channels_out: int, stride: int) -> Conv3x3:
    torch.manual_seed(0)
    return Conv3x3(channels_in, channels_out, stride).to(memory_format=torch.channels_last)


def off(found: Tensor, exact: Tensor) -> float:
    return float((found.detach().double() - exact.detach()).abs().max() / exact.detach().abs().max())


@contextmanager
def threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@NEEDS_IT
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("channels_in", "channels_out"), CHANNELS)
@pytest.mark.parametrize("size", [(4, 4), (16, 16), (7, 9), (10, 5), (1, 3)])
def test_outputs_and_gradients_are_those_of_float64(
    channels_in: int, channels_out: int, size: tuple[int, int], stride: int
) -> None:
    # An odd number, so that the last tiles are fewer than those worked on at a time.
    images = 1 + FEWEST_TILES * (2 * stride) ** 2 // (size[0] * size[1])
    ours = convolution(channels_in, channels_out, stride)
    exact = ours.weight.detach().double().requires_grad_()
    x = random(images, channels_in, *size).requires_grad_()
    exact_x = x.detach().double().requires_grad_()
    assert suits(x, ours.weight, stride)

    made = ours(x)
    expected = functional.conv2d(exact_x, exact, stride=stride, padding=1)
    assert made.shape == expected.shape
    gradient = random(*made.shape, seed=1)
    made.backward(gradient)
    expected.backward(gradient.double())

    assert x.grad is not None
    assert exact_x.grad is not None
    assert ours.weight.grad is not None
    assert exact.grad is not None
    assert off(made, expected) < ROUNDING
    assert off(x.grad, exact_x.grad) < ROUNDING
    assert off(ours.weight.grad, exact.grad) < ROUNDING


@NEEDS_IT
@pytest.mark.parametrize("stride", [1, 2])
def test_the_number_of_threads_changes_only_the_order_of_a_sum(stride: int) -> None:
    ours, x = convolution(32, 48, stride), random(31, 32, 12, 12)

    def results(number: int) -> tuple[Tensor, Tensor, Tensor]:
        given = x.clone().requires_grad_()
        ours.zero_grad()
        with threads(number):
            made = ours(given)
            made.square().sum().backward()
        assert given.grad is not None
        assert ours.weight.grad is not None
        return made, given.grad, ours.weight.grad.clone()

    alone = results(1)
    for number in (1, 2, 3):
        made, by_x, by_weight = results(number)
        assert torch.equal(made, alone[0])
        assert torch.equal(by_x, alone[1])
        torch.testing.assert_close(by_weight, alone[2], rtol=0, atol=ROUNDING * float(alone[2].abs().max()))
        assert torch.equal(results(number)[2], by_weight)


@NEEDS_IT
def test_only_the_gradients_that_are_asked_for_are_computed() -> None:
    ours, x = convolution(16, 16, 1), random(32, 16, 8, 8)
    ours.weight.requires_grad_(False)
    given = x.clone().requires_grad_()
    ours(given).sum().backward()
    assert given.grad is not None
    assert ours.weight.grad is None
    ours.weight.requires_grad_(True)
    ours(x).sum().backward()
    assert x.grad is None
    assert ours.weight.grad is not None
    with torch.no_grad():
        assert not ours(x).requires_grad


@NEEDS_IT
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_weights_and_gradients_may_be_laid_out_otherwise(layout: torch.memory_format) -> None:
    ours, x = convolution(16, 32, 1), random(32, 16, 8, 8)
    expected = ours(x)
    other = Conv3x3(16, 32, 1)
    other.load_state_dict(ours.state_dict())
    other = other.to(memory_format=layout)
    made = other(x)
    assert torch.equal(made, expected)
    # The mean over pixels sends back one number for all of them, without a memory of its own.
    made.mean(dim=(2, 3)).sum().backward()
    assert other.weight.grad is not None
    exact = other.weight.detach().double().requires_grad_()
    functional.conv2d(x.double(), exact, padding=1).mean(dim=(2, 3)).sum().backward()
    assert exact.grad is not None
    assert off(other.weight.grad, exact.grad) < ROUNDING


@NEEDS_IT
def test_the_room_that_is_allotted_is_what_the_arithmetic_takes() -> None:
    functions = compiled().functions
    assert functions is not None
    said = [ctypes.c_long.in_dll(functions, f"winograd_{name}").value for name in ("tiles", "columns", "channels")]
    assert said == [winograd.TILES, winograd.CHANNELS_STEP, winograd.MOST_CHANNELS]


@NEEDS_IT
def test_torchs_default_precision_does_not_matter() -> None:
    ours, x = convolution(16, 32, 1), random(32, 16, 8, 8)
    expected = ours(x)
    torch.set_default_dtype(torch.float64)
    try:
        made = ours(x)
        made.sum().backward()
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(made, expected)
    assert ours.weight.grad is not None
    assert ours.weight.grad.dtype == torch.float32


@pytest.mark.parametrize(
    ("x", "channels_in", "channels_out"),
    [
        pytest.param(random(64, 3, 8, 8), 3, 16, id="an image's channels"),
        pytest.param(random(64, 16, 8, 8), 16, 24, id="24 channels"),
        pytest.param(random(64, 16, 8, 8).contiguous(), 16, 16, id="another layout"),
        pytest.param(random(1, 16, 8, 8), 16, 16, id="few pixels"),
        pytest.param(random(64, 16, 8, 8).double(), 16, 16, id="float64"),
        pytest.param(random(0, 16, 8, 8), 16, 16, id="no image"),
    ],
)
def test_what_does_not_suit_is_left_to_torch(x: Tensor, channels_in: int, channels_out: int) -> None:
    ours = convolution(channels_in, channels_out, 1).to(x.dtype)
    assert not suits(x, ours.weight, 1)
    assert torch.equal(ours(x), functional.conv2d(x, ours.weight, padding=1))


def test_lower_precision_is_left_to_torch() -> None:
    ours, x = convolution(16, 16, 1), random(64, 16, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert not suits(x, ours.weight, 1)
        assert ours(x).dtype == torch.bfloat16


@NEEDS_IT
@pytest.mark.parametrize(
    ("architecture", "stem"), [("resnet8", "strided"), ("resnet18", "small"), ("resnet50", "small")]
)
def test_whole_encoders_are_as_near_to_float64_as_with_torchs_own(
    architecture: str, stem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = EncoderConfig.model_validate({"architecture": architecture, "stem": stem, "width": 16})
    encoder = seeded(config, 3, seed=0).to(memory_format=torch.channels_last)
    images = random(32, 3, 32, 32)

    def features_and_gradient(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
        network.zero_grad()
        features = network(images)
        features.square().sum().backward()
        gradient = network.get_parameter("conv1.weight").grad
        assert gradient is not None
        return features.detach(), gradient.clone()

    ours = features_and_gradient(encoder, images)
    monkeypatch.setattr(winograd, "compiled", lambda: Native(None))
    theirs = features_and_gradient(encoder, images)
    exact = features_and_gradient(copy.deepcopy(encoder).double(), images.double())
    assert not torch.equal(ours[0], theirs[0])
    assert off(ours[0], exact[0]) < 2 * off(theirs[0], exact[0])
    # A ReLU whose input is nearly 0 passes all of a gradient or nothing, so with depth rounding of any kind grows: torch's own
    # is 0.025 off in the deepest of these.
    assert off(ours[1], exact[1]) < 0.05


def test_the_choice_says_how_convolutions_are_computed_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    device = choose_device()
    assert device.winograd == (", Winograd" in device.name) == (told() == "; 3×3 convolutions by Winograd's method")
    monkeypatch.setattr(winograd, "compiled", lambda: Native(None, "there is no C compiler"))
    assert told() == "; 3×3 convolutions are torch's own, as there is no C compiler"
    assert not choose_device().winograd
    monkeypatch.undo()
    monkeypatch.setattr(torch.cpu, "_is_avx512_supported", lambda: True)
    assert compiled() == Native(None)
    assert told() == ""
