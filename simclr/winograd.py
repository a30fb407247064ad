"""3×3 convolutions in a fraction of the products, for CPUs whose libraries spend them all; the arithmetic is in winograd.c.

Source: Lavin & Gray 2016, arXiv:1509.09308. Against float64 the results are about as near as torch's own in float32.
"""

import ctypes
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from simclr.chunks import for_each
from simclr.native import Native, address, native

SOURCE = Path(__file__).with_suffix(".c")
# As in winograd.c.
TILES, MOST_CHANNELS, CHANNELS_STEP = 30, 4096, 16
# Products for a tile of 2×2 outputs, by the stride.
POINTS = {1: 16, 2: 25}
# With fewer, the weights' part of the work outweighs what is saved.
FEWEST_TILES = 4 * TILES
LAYOUT = torch.channels_last


def compiled() -> Native:
    """What is computed here; nothing where vectors of 512 bits make oneDNN's own convolutions fast."""
    if torch.cpu._is_avx512_supported():
        return Native(None)
    return native(SOURCE)


def told() -> str:
    """How 3×3 convolutions are computed on this CPU, as the last part of a sentence."""
    ours = compiled()
    if ours.functions is not None:
        return "; 3×3 convolutions by Winograd's method"
    return f"; 3×3 convolutions are torch's own, as {ours.why_not}" if ours.why_not else ""


class Conv3x3(nn.Conv2d):
    """A 3×3 convolution of padding 1 without bias: (N, in, H, W) to (N, out, H / stride, W / stride), rounded up.

    Computed by Winograd's method where that is compiled and the tensors suit it: float32 on the CPU, channels_last, numbers of
    channels that are multiples of 16, and enough pixels. Everything else is torch's.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__(channels_in, channels_out, 3, stride, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if suits(x, self.weight, self.stride[0]):
            convolved: Tensor = _Convolution.apply(x, self.weight, self.stride[0])
            return convolved
        return super().forward(x)


def suits(x: Tensor, weight: Tensor, stride: int) -> bool:
    """Whether the convolution of ``x`` (N, in, H, W) with ``weight`` (out, in, 3, 3) is computed here."""
    return (
        x.dtype == weight.dtype == torch.float32
        and x.device.type == weight.device.type == "cpu"
        and x.dim() == 4
        and x.is_contiguous(memory_format=LAYOUT)
        and all(size % CHANNELS_STEP == 0 and size <= MOST_CHANNELS for size in weight.shape[:2])
        and x.shape[0] * x.shape[2] * x.shape[3] >= FEWEST_TILES * (2 * stride) ** 2
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and compiled().functions is not None
    )


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        weight = weight.contiguous(memory_format=LAYOUT)
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return _Work(x, weight, stride).convolve()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        work = _Work(x, weight, ctx.stride)
        gradient = gradient.contiguous(memory_format=LAYOUT)
        by_x = work.convolve_back(gradient) if ctx.needs_input_grad[0] else None
        by_weight = work.differentiate(gradient) if ctx.needs_input_grad[1] else None
        return by_x, by_weight, None


class _Work:
    """A convolution of channels_last tensors, its images shared out among torch's number of threads."""

    def __init__(self, x: Tensor, weight: Tensor, stride: int) -> None:
        self.functions: Any = compiled().functions
        self.x, self.weight, self.stride = x, weight, stride
        count = len(x)
        threads = min(torch.get_num_threads(), count)
        ends = [count * part // threads for part in range(threads + 1)]
        # First image and number of images of every thread's part.
        self.parts = [(first, end - first) for first, end in pairwise(ends)]

    def convolve(self) -> Tensor:
        (count, _, height, width), channels = self.x.shape, self.weight.shape[0]
        shape = (count, channels, -(-height // self.stride), -(-width // self.stride))
        made = torch.empty(shape, dtype=self.x.dtype, device=self.x.device, memory_format=LAYOUT)
        self._convolve(self.functions.winograd_convolve, self._spread(back=False), self.x, made)
        return made

    def convolve_back(self, gradient: Tensor) -> Tensor:
        made = torch.empty_like(self.x, memory_format=LAYOUT)
        self._convolve(self.functions.winograd_convolve_back, self._spread(back=True), gradient, made)
        return made

    def differentiate(self, gradient: Tensor) -> Tensor:
        """By the weights; the parts are summed in their order, so the sum is the same every time."""
        made = [torch.empty_like(self.weight) for _ in self.parts]
        rooms = self._rooms(self.weight.shape[0] * self.weight.shape[1])

        def differentiate(part: int) -> None:
            first = self.parts[part][0]
            self.functions.winograd_differentiate(
                self._shape(part),
                address(self.x, first),
                address(gradient, first),
                address(made[part]),
                address(rooms, part),
            )

        self._each(differentiate)
        for other in made[1:]:
            made[0] += other
        return made[0]

    def _convolve(self, function: Any, spread: Tensor, given: Tensor, made: Tensor) -> None:
        rooms = self._rooms()

        def convolve(part: int) -> None:
            first = self.parts[part][0]
            function(
                self._shape(part), address(given, first), address(spread), address(made, first), address(rooms, part)
            )

        self._each(convolve)

    def _spread(self, *, back: bool) -> Tensor:
        """The weights at every point."""
        spread = self.x.new_empty(POINTS[self.stride] * self.weight.shape[0] * self.weight.shape[1])
        self.functions.winograd_weights(self._shape(0), ctypes.c_long(back), address(self.weight), address(spread))
        return spread

    def _rooms(self, more: int = 0) -> Tensor:
        """What every part works in: floats for all points of ``TILES`` tiles, and for ``more`` beside."""
        outputs, inputs = self.weight.shape[:2]
        return self.x.new_empty(len(self.parts), POINTS[self.stride] * (TILES * (inputs + outputs) + more))

    def _shape(self, part: int) -> Any:
        outputs, inputs, height, width = *self.weight.shape[:2], *self.x.shape[2:]
        return (ctypes.c_long * 6)(self.parts[part][1], height, width, inputs, outputs, self.stride)

    def _each(self, work: Callable[[int], None]) -> None:
        """``work`` on every part at the same time; the functions in C let other threads run."""
        for_each(work, list(range(len(self.parts))), len(self.parts))
