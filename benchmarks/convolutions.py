"""3×3 convolutions of this program's networks beside torch's own, forwards and backwards on one thread.

Where the processor has a faster way of its own (simclr/winograd.py), both are the same.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import torch

from benchmarks.table import OURS, Row, in_turns
from simclr import winograd
from simclr.chunks import one_thread
from simclr.native import Native
from simclr.winograd import Conv3x3

LEAST_S = 0.5
# Channels before and after, stride, and images of so many pixels a side: resnet8-w32's at a batch of 256, then resnet18's last.
LAYERS = [
    (32, 32, 1, 256, 16),
    (32, 64, 2, 256, 16),
    (64, 64, 1, 256, 8),
    (64, 128, 2, 256, 8),
    (128, 128, 1, 256, 4),
    (256, 256, 1, 64, 8),
    (512, 512, 1, 64, 4),
]


def rows(turns: int) -> list[Row]:
    """Milliseconds of a pass forwards and backwards."""
    with one_thread():
        return [_row(*layer, turns) for layer in LAYERS]


@contextmanager
def torchs_own() -> Iterator[None]:
    """Convolutions are computed as if nothing were compiled."""
    with mock.patch.object(winograd, "compiled", return_value=Native(None)):
        yield


def _row(before: int, after: int, stride: int, images: int, size_px: int, turns: int) -> Row:
    convolution = Conv3x3(before, after, stride).to(memory_format=torch.channels_last)
    x = torch.randn(images, before, size_px, size_px).contiguous(memory_format=torch.channels_last).requires_grad_()
    gradient = torch.randn_like(convolution(x))

    def step() -> None:
        torch.autograd.grad(convolution(x), (x, convolution.weight), gradient)

    def theirs() -> float:
        with torchs_own():
            return milliseconds(step)

    title = f"3×3 convolution, {before} to {after} channels, stride {stride}, {images} images of {size_px} px"
    contenders = {OURS: lambda: milliseconds(step), "torch's own": theirs}
    return in_turns(title, "ms", contenders, turns, higher_is_better=False)


def milliseconds(work: Callable[[], None]) -> float:
    """The mean of as many runs as ``LEAST_S`` has room for, after one that does not count."""
    work()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < LEAST_S:
        work()
        done += 1
    return (time.perf_counter() - began) / done * 1e3
