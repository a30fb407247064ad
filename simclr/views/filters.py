"""What looks at or adds to every pixel: Gaussian blur and Gaussian noise."""

import math

import torch
from torch import Tensor

from simclr.views.crops import between
from simclr.views.parameters import BITS, ViewParameters

WORD = 0xFFFFFFFF


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
    bits = _hashed(seeds, 2 * half) >> (32 - BITS)
    # From (0, 1], as the logarithm of 0 is not finite; half a turn more or less changes nothing in the law.
    first, second = ((bits + 1).float() * 2.0**-BITS).chunk(2, dim=1)
    radius = first.log_().mul_(-2).sqrt_()
    angle = second.mul_(2 * math.pi)
    return torch.cat((radius * angle.cos(), radius * angle.sin()), dim=1)[:, :count]


def _hashed(seeds: Tensor, count: int) -> Tensor:
    """32 random bits for every place of every seed, int64 (N, count): place and both halves of the seed mixed in turn."""
    places = _mixed(torch.arange(1, count + 1, device=seeds.device))
    low, high = seeds[:, None] & WORD, seeds[:, None] >> 32
    return _mixed(_mixed(places ^ low) ^ high)


def _mixed(x: Tensor) -> Tensor:
    """A bijection of 32-bit words that spreads every bit over all others; int64 holds them, as torch has few unsigned ones.

    Source: Wellons 2018, "Prospecting for hash functions" (lowbias32).
    """
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & WORD
    x = ((x ^ (x >> 15)) * 0x846CA68B) & WORD
    return x ^ (x >> 16)


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
