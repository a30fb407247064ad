"""What changes colours: jitter of brightness, contrast, saturation and hue, greyscale, solarisation.

Nothing here chooses pixel by pixel with ``torch.where``: on a CPU it costs as much as ten products.
"""

import ctypes
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from simclr.native import address, native
from simclr.views.parameters import CONTRAST, HUE, SATURATION, ViewParameters

SOURCE = Path(__file__).with_suffix(".c")
# ITU-R 601-2 luma with torchvision's digits.
LUMA = (0.2989, 0.587, 0.114)


def jitter_colours(views: Tensor, parameters: ViewParameters) -> Tensor:
    """Shift brightness, contrast, saturation and hue, each view in its own order, clamped to [0, 1] after every step.

    On one channel saturation and hue change nothing. Brightness, contrast and saturation are one formula,
    f · view + (1 - f) · anchor, whose anchor is black, the mean luma and the luma: a 3×3 matrix and an offset. Those that
    come before a view's hue are done first, then all hues at once, then those that come after.
    """
    if not bool(parameters.jitter.any()):
        return views
    functions = native(SOURCE).functions
    if functions is not None and views.device.type == "cpu" and views.dtype == torch.float32:
        return _jittered(functions, views, parameters)
    chosen = parameters.jitter.nonzero()[:, 0]
    channels, size = views.shape[1], views.shape[-1]
    chosen, turn, order, ends = _by_place_of_hue(parameters, chosen, channels)
    matrices, shares = _mixtures(order, parameters, chosen, channels)
    work = views.index_select(0, chosen).view(-1, channels, size * size)
    spare = torch.empty_like(work)

    def mix(step: int, first: int, end: int) -> None:
        if first == end:
            return
        part, other = work[first:end], spare[first:end]
        offset = torch.bmm(shares[step, first:end], part.mean(dim=2, keepdim=True))
        torch.baddbmm(offset, matrices[step, first:end], part, out=other)
        torch.clamp(other, 0, 1, out=part)

    for step in range(3):
        mix(step, ends[step], len(work))
    if ends[3]:
        turn_hue(work[: ends[3]], turn[: ends[3]], out=work[: ends[3]])
    for step in range(3):
        mix(step, 0, ends[step])
    return views.index_copy(0, chosen, work.view(-1, channels, size, size))


def turn_hue(views: Tensor, turn: Tensor, out: Tensor | None = None) -> Tensor:
    """Turn the colour circle of RGB ``views`` (N, 3, ...) by ``turn`` (N,), a share of the full circle; exact in HSV.

    With the channels stretched to [0, 1], the way from red along the circle is 1 + green + blue - red sixths of it, on
    green's side or on blue's. Turned to a place h in [0, 1), red is as far above the smallest channel as h is away from 1/2,
    and green and blue are as far below the largest as h is away from 1/3 and 2/3; all in steps of a sixth, from one to two.
    ``out`` may be ``views``.
    """
    flat = views.flatten(2)
    red, green, blue = flat.unbind(dim=1)
    smallest = flat.amin(dim=1)
    # Where there is no colour, any place on the circle will do.
    chroma = (flat.amax(dim=1) - smallest).clamp_min_(1e-12)
    sixths = (green + blue).sub_(red).sub_(smallest).div_(chroma).add_(1).copysign_(green - blue)
    # A whole circle more keeps the place above 0, where frac is the remainder.
    place = torch.add((1 + turn)[:, None], sixths, alpha=1 / 6).frac_()
    away = (place[:, None] - _centres(views.device)).abs_().clamp_(1 / 6, 1 / 3)
    turned = torch.empty_like(flat) if out is None else out.flatten(2)
    torch.addcmul(smallest - chroma, chroma, away[:, 0], value=6, out=turned[:, 0])
    top = smallest.add_(chroma, alpha=2)[:, None]
    torch.addcmul(top, chroma[:, None], away[:, 1:], value=-6, out=turned[:, 1:])
    return turned.view(views.shape)


def drop_colours(views: Tensor, parameters: ViewParameters) -> Tensor:
    """Replace the chosen views (N, C, S, S) by their luma; one channel is left as it is."""
    chosen = parameters.grey.nonzero()[:, 0]
    if len(chosen) == 0 or views.shape[1] == 1:
        return views
    red, green, blue = views.index_select(0, chosen).chunk(3, dim=1)
    luma = (LUMA[0] * red).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])
    return views.index_copy(0, chosen, luma.expand(-1, 3, -1, -1))


def solarise(views: Tensor, parameters: ViewParameters) -> Tensor:
    """Invert the pixels of the chosen views (N, C, S, S) from their threshold up."""
    chosen = parameters.solarise.nonzero()[:, 0]
    if len(chosen) == 0:
        return views
    work = views.index_select(0, chosen)
    bright = work >= parameters.threshold[chosen, None, None, None]
    return views.index_copy(0, chosen, work.addcmul(bright, 1 - 2 * work))


def _jittered(functions: ctypes.CDLL, views: Tensor, parameters: ViewParameters) -> Tensor:
    """By colours.c, view by view."""
    p, (count, channels, size, _) = parameters, views.shape
    factors = (x.float().contiguous() for x in (p.brightness, p.contrast, p.saturation, p.hue))
    drawn = [p.jitter.bool().contiguous(), p.order.long().contiguous(), *factors]
    jittered = views.clone(memory_format=torch.contiguous_format)
    functions.jitter_colours(
        address(jittered), *map(ctypes.c_long, (count, channels, size * size)), *map(address, drawn)
    )
    return jittered


def _by_place_of_hue(
    parameters: ViewParameters, chosen: Tensor, channels: int
) -> tuple[Tensor, Tensor, Tensor, list[int]]:
    """The M chosen views, sorted by how many other steps come before their hue; those whose hue stays as it is come last.

    Returns:
        Their indices (M,), turns of hue (M,), orders of the three other steps (M, 3), and how many views have at most 0, 1, 2
        and 3 steps before their hue.
    """
    turn, order = parameters.hue[chosen], parameters.order[chosen]
    if channels == 1:
        return chosen, turn, order[order != HUE].view(-1, 3), [0, 0, 0, 0]
    is_hue = order == HUE
    before = is_hue.int().argmax(dim=1).masked_fill_(turn == 0, 4)
    before, sorting = before.sort(stable=True)
    ends = torch.bincount(before, minlength=5).cumsum(0).tolist()
    order = order[~is_hue].view(-1, 3)
    return chosen[sorting], turn[sorting], order[sorting], ends[:4]


@lru_cache(maxsize=8)
def _centres(device: torch.device) -> Tensor:
    """Places on the colour circle from which the three channels fall or rise, shape (3, 1)."""
    return torch.tensor([[1 / 2], [1 / 3], [2 / 3]], device=device)


def _mixtures(order: Tensor, parameters: ViewParameters, chosen: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Matrices (3, M, C, C), and how much of each channel's mean is added, (3, M, 1, C), in three steps of M views."""
    p = parameters
    factors = torch.stack((p.brightness, p.contrast, p.saturation), dim=1)[chosen].gather(1, order).T[:, :, None, None]
    operations = order.T[:, :, None, None]
    if channels == 1:
        factors = factors.masked_fill(operations == SATURATION, 1)
    luma = torch.tensor(LUMA if channels == 3 else (1.0,), device=order.device)
    anchor = (1 - factors) * luma
    matrices = factors * torch.eye(channels, device=order.device) + anchor * (operations == SATURATION)
    return matrices, anchor * (operations == CONTRAST)
