"""What looks at or adds to every pixel: Gaussian blur and Gaussian noise."""

import math

import torch
from torch import Tensor

from simclr.views.crops import between
from simclr.views.parameters import BITS, ViewParameters

WORD, SPAN = 0xFFFFFFFF, 1 << 32


def blur(views: Tensor, parameters: ViewParameters) -> Tensor:
    """Blur the chosen views (N, C, S, S) by a Gaussian about a tenth of the image wide, mirrored at the edges."""
    chosen = parameters.blur.nonzero()[:, 0]
    size = views.shape[-1]
    if len(chosen) == 0 or size < 3:
        return views
    matrices = _blur_matrices(parameters.sigma[chosen], size)
    return views.index_copy(0, chosen, between(matrices, views.index_select(0, chosen), matrices))


def blur_width(size_px: int) -> int:
    """Taps of the blur for images of ``size_px``: the odd number next to a tenth of it, at least 3."""
    return max(3, 2 * round((size_px / 10 - 1) / 2) + 1)


def add_noise(views: Tensor, parameters: ViewParameters) -> Tensor:
    """Add Gaussian noise to the chosen views (N, C, S, S), independent in every channel, clamped to [0, 1]."""
    chosen = parameters.noise.nonzero()[:, 0]
    if len(chosen) == 0:
        return views
    noise = standard_noise(parameters.noise_seed[chosen], views[0].numel()).view(-1, *views.shape[1:])
    noisy = noise.mul_(parameters.noise_std[chosen, None, None, None]).add_(views.index_select(0, chosen))
    return views.index_copy(0, chosen, noisy.clamp_(0, 1))


def standard_noise(seeds: Tensor, count: int) -> Tensor:
    """Standard normal numbers (N, count), computed from ``seeds`` (N,) and each number's place alone.

    The hashed bits are the same on every device; the numbers made of them differ by rounding only.

    Source: Box & Muller 1958.
    """
    half = -(-count // 2)
    bits = _hashed(seeds, 2 * half).bitwise_right_shift_(32 - BITS).bitwise_and_((1 << BITS) - 1)
    # From (0, 1], as the logarithm of 0 is not finite; half a turn more or less changes nothing in the law.
    first, second = bits.add_(1).float().mul_(2.0**-BITS).chunk(2, dim=1)
    radius = first.log_().mul_(-2).sqrt_()
    angle = second.mul_(2 * math.pi)
    noise = torch.empty(len(seeds), 2 * half, device=seeds.device)
    torch.mul(radius, angle.cos(), out=noise[:, :half])
    torch.mul(radius, angle.sin_(), out=noise[:, half:])
    return noise[:, :count]


def _hashed(seeds: Tensor, count: int) -> Tensor:
    """32 random bits for every place of every seed, int32 (N, count): place and both halves of the seed mixed in turn."""
    places = _mixed(torch.arange(1, count + 1, dtype=torch.int32, device=seeds.device))
    low, high = (_word(half)[:, None] for half in (seeds & WORD, seeds >> 32))
    return _mixed(_mixed(places ^ low).bitwise_xor_(high))


def _mixed(x: Tensor) -> Tensor:
    """A bijection of 32-bit words that spreads every bit over all others, in place.

    The words are int32, as torch has few unsigned operations and int64 takes three times as long: products wrap around as
    unsigned ones do, and a mask after each shift takes away the signs that come in from the left.

    Source: Wellons 2018, "Prospecting for hash functions" (lowbias32).
    """
    shifted = x >> 16
    x.bitwise_xor_(shifted.bitwise_and_(0xFFFF)).mul_(0x7FEB352D)
    torch.bitwise_right_shift(x, 15, out=shifted)
    x.bitwise_xor_(shifted.bitwise_and_(0x1FFFF)).mul_(0x846CA68B - SPAN)
    torch.bitwise_right_shift(x, 16, out=shifted)
    return x.bitwise_xor_(shifted.bitwise_and_(0xFFFF))


def _word(numbers: Tensor) -> Tensor:
    """Numbers from 0 to ``WORD``, int64, as int32 words of the same bits."""
    return torch.where(numbers > WORD >> 1, numbers - SPAN, numbers).to(torch.int32)


def _blur_matrices(sigma: Tensor, size: int) -> Tensor:
    """Matrices (N, size, size) that blur the rows of an image, with the edge pixel as the mirror's axis."""
    reach = min(blur_width(size) // 2, size - 1)
    taps = torch.arange(-reach, reach + 1, device=sigma.device)
    weights = torch.exp(-0.5 * (taps / sigma[:, None]) ** 2)
    weights = weights / weights.sum(dim=1, keepdim=True)
    source = torch.arange(size, device=sigma.device)[:, None] + taps
    source = (size - 1) - ((size - 1) - source.abs()).abs()
    matrices = torch.zeros(len(sigma), size, size, device=sigma.device)
    return matrices.scatter_add_(2, source.expand(len(sigma), -1, -1), weights[:, None].expand(-1, size, -1))
