"""The SimCLR operations on whole batches: one set of parameters is drawn for every view, then applied without a loop over images.

Drawing and applying are apart, so a view can be replayed, previewed step by step, and compared with torchvision.
"""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from simclr.config import AugmentConfig

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
CROP_TRIES = 10
CROP_RATIO = (3 / 4, 4 / 3)
BLUR_SIGMA = (0.1, 2.0)
# ITU-R 601-2 luma with torchvision's digits.
LUMA = (0.2989, 0.587, 0.114)
# Views worked on at a time on a CPU: 64 of 32×32 RGB are 0.8 MB, so the colour operations stay in the second-level cache.
CHUNK_PIXELS = 64 * 3 * 32 * 32


@dataclass(frozen=True)
class ViewParameters:
    """Everything random about N views, one row a view.

    Attributes:
        top, left, height, width: The crop in pixels, int64, shape (N,).
        flip, jitter, grey, blur: Whether the operation is applied, bool, shape (N,).
        brightness, contrast, saturation: Factors, 1 changes nothing, float32, shape (N,).
        hue: Turn of the colour circle, in [-0.5, 0.5], 0 changes nothing, float32, shape (N,).
        order: Row by row the order in which BRIGHTNESS, CONTRAST, SATURATION and HUE come, int64, shape (N, 4).
        sigma: Width of the blur in pixels, float32, shape (N,).
    """

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    flip: Tensor
    jitter: Tensor
    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor
    order: Tensor
    grey: Tensor
    blur: Tensor
    sigma: Tensor

    def __len__(self) -> int:
        return len(self.top)

    def __getitem__(self, rows: slice | Tensor) -> "ViewParameters":
        return ViewParameters(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def to(self, device: torch.device) -> "ViewParameters":
        """The same parameters on another device."""
        return ViewParameters(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def draw_views(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Draw one view of every image; call twice for pairs.

    Args:
        images: uint8, shape (N, C, S, S), C is 1 or 3.
        config: Probabilities and ranges.
        generator: Where randomness comes from. On one kind of device the same state gives the same views.

    Returns:
        float32, shape (N, C, S, S), in [0, 1], on the device of ``images``.

    Raises:
        ValueError: ``images`` has another dtype or shape.

    Source: Chen et al. 2020, arXiv:2002.05709, appendix A.
    """
    _check(images)
    parameters = draw_parameters(len(images), images.shape[-1], config, generator)
    return apply_parameters(images, parameters)


def draw_parameters(n: int, size_px: int, config: AugmentConfig, generator: torch.Generator) -> ViewParameters:
    """Draw the parameters of ``n`` views of square images of ``size_px``.

    Every view takes the same numbers from ``generator`` whatever ``config`` says, so switching one operation off leaves
    the others as they were: a preview changes only in what was changed.

    Source: torchvision's RandomResizedCrop and ColorJitter; the paper's strength s stands for 0.8 s, 0.8 s, 0.8 s, 0.2 s.
    """
    chances = torch.rand(n, 2 * CROP_TRIES + 15, generator=generator, device=generator.device)
    area, ratio, rest = chances[:, :CROP_TRIES], chances[:, CROP_TRIES : 2 * CROP_TRIES], chances[:, 2 * CROP_TRIES :]
    top, left, flip, jitter, brightness, contrast, saturation, hue, grey, blurred, sigma = rest[:, 4:].unbind(dim=1)
    height, width = _crop_sizes(area, ratio, size_px, config)
    span = 0.8 * config.jitter_strength
    low = max(0.0, 1.0 - span)
    scale, shift = 1.0 + span - low, 0.2 * config.jitter_strength
    return ViewParameters(
        top=_position(top, size_px - height),
        left=_position(left, size_px - width),
        height=height,
        width=width,
        flip=flip < config.flip_p,
        jitter=(jitter < config.jitter_p) & (config.jitter_strength > 0),
        brightness=low + scale * brightness,
        contrast=low + scale * contrast,
        saturation=low + scale * saturation,
        hue=shift * (2 * hue - 1),
        order=rest[:, :4].argsort(dim=1),
        grey=grey < config.grey_p,
        blur=blurred < config.blur_p,
        sigma=BLUR_SIGMA[0] + (BLUR_SIGMA[1] - BLUR_SIGMA[0]) * sigma,
    )


def apply_parameters(images: Tensor, parameters: ViewParameters) -> Tensor:
    """Crop, flip, jitter, grey and blur ``images`` (uint8, shape (N, C, S, S)) as ``parameters`` say; float32 in [0, 1].

    Raises:
        ValueError: ``images`` has another dtype or shape, or another number of rows than ``parameters``.
    """
    _check(images)
    if len(images) != len(parameters):
        raise ValueError(f"{len(images)} images but parameters of {len(parameters)} views: give one row an image")
    parameters = parameters.to(images.device)
    views = torch.empty(images.shape, device=images.device)
    pixels = images[0].numel() if len(images) else 1
    step = max(1, CHUNK_PIXELS // pixels) if images.device.type == "cpu" else max(1, len(images))
    # Autocast would round the matrix products to half precision.
    with torch.autocast(images.device.type, enabled=False):
        for start in range(0, len(images), step):
            rows = slice(start, start + step)
            chunk = parameters[rows]
            view = crop_and_flip(images[rows], chunk)
            view = jitter_colours(view, chunk)
            view = drop_colours(view, chunk)
            views[rows] = blur(view, chunk)
    return views


def crop_and_flip(images: Tensor, parameters: ViewParameters) -> Tensor:
    """Cut every image's box out, stretch it to the full size bilinearly, mirror it where asked; uint8 to float32 in [0, 1].

    Written as rows · image · columnsᵀ, two small matrix products an image, with mirroring folded into the columns. A box is
    never larger than the image, so antialiasing, which only acts when shrinking, has nothing to do.
    """
    n, channels, size, _ = images.shape
    pixels = images.float().mul_(1 / 255)
    whole = (parameters.height == size) & (parameters.width == size)
    if bool((whole & ~parameters.flip).all()):
        return pixels
    rows = _stretch(parameters.top, parameters.height, size)
    columns = _stretch(parameters.left, parameters.width, size)
    columns = torch.where(parameters.flip[:, None, None], columns.flip(1), columns)
    wide = torch.bmm(pixels.view(n, channels * size, size), columns.transpose(1, 2))
    tall = torch.matmul(rows[:, None], wide.view(n, channels, size, size))
    # The weights of a row add up to 1 only to within rounding.
    return tall.clamp_(0, 1)


def jitter_colours(views: Tensor, parameters: ViewParameters) -> Tensor:
    """Shift brightness, contrast, saturation and hue, each view in its own order, clamped to [0, 1] after every step.

    On one channel saturation and hue change nothing. Brightness, contrast and saturation are one formula,
    f · view + (1 - f) · anchor, whose anchor is black, the mean luma and the luma.
    """
    chosen = parameters.jitter.nonzero()[:, 0]
    if len(chosen) == 0:
        return views
    every = len(chosen) == len(views)
    work, p = (views.clone(), parameters) if every else (views[chosen], parameters[chosen])
    factors = torch.stack((p.brightness, p.contrast, p.saturation, torch.ones_like(p.hue)), dim=1)
    if views.shape[1] == 1:
        factors[:, SATURATION] = 1.0
    for operation in p.order.unbind(dim=1):
        factor = factors.gather(1, operation[:, None])[:, :, None, None]
        luma = _luma(work)
        mean = luma.mean(dim=(2, 3), keepdim=True)
        to_mean = ((operation == CONTRAST)[:, None, None, None] * (1 - factor)) * mean
        to_luma = (operation == SATURATION)[:, None, None, None] * (1 - factor)
        work.mul_(factor).add_(torch.addcmul(to_mean, to_luma, luma)).clamp_(0, 1)
        turned = (operation == HUE).nonzero()[:, 0]
        if views.shape[1] == 3 and len(turned):
            work[turned] = turn_hue(work[turned], p.hue[turned])
    if every:
        return work
    return views.index_copy(0, chosen, work)


def turn_hue(views: Tensor, turn: Tensor) -> Tensor:
    """Turn the colour circle of RGB ``views`` (N, 3, S, S) by ``turn`` (N,), a share of the full circle; exact in HSV.

    With chroma C = max - min, a channel is max - C · clamp(min(k, 4 - k), 0, 1) for k = (n + 6 h) mod 6 and n = 5, 3, 1.
    """
    red, green, blue = views.unbind(dim=1)
    largest = views.amax(dim=1)
    chroma = largest - views.amin(dim=1)
    inverse = 1 / torch.where(chroma > 0, chroma, 1.0)
    sextant = torch.where(
        largest == red,
        (green - blue) * inverse,
        torch.where(largest == green, 2 + (blue - red) * inverse, 4 + (red - green) * inverse),
    )
    sextant += 6 * turn[:, None, None]
    offsets = torch.tensor([5.0, 3.0, 1.0], device=views.device)[:, None, None]
    k = (sextant[:, None] + offsets).remainder_(6)
    weight = torch.minimum(k, 4 - k).clamp_(0, 1)
    return largest[:, None] - chroma[:, None] * weight


def drop_colours(views: Tensor, parameters: ViewParameters) -> Tensor:
    """Replace the chosen views (N, C, S, S) by their luma; one channel is left as it is."""
    chosen = parameters.grey.nonzero()[:, 0]
    if len(chosen) == 0 or views.shape[1] == 1:
        return views
    return views.index_copy(0, chosen, _luma(views[chosen]).expand(-1, 3, -1, -1))


def blur(views: Tensor, parameters: ViewParameters) -> Tensor:
    """Blur the chosen views (N, C, S, S) by a Gaussian about a tenth of the image wide, mirrored at the edges."""
    chosen = parameters.blur.nonzero()[:, 0]
    size = views.shape[-1]
    if len(chosen) == 0 or size < 3:
        return views
    matrix = _blur_matrix(parameters.sigma[chosen], size)[:, None]
    return views.index_copy(0, chosen, matrix @ views[chosen] @ matrix.transpose(2, 3))


def blur_width(size_px: int) -> int:
    """Taps of the blur for images of ``size_px``: the odd number next to a tenth of it, at least 3."""
    return max(3, 2 * round((size_px / 10 - 1) / 2) + 1)


def _crop_sizes(area: Tensor, ratio: Tensor, size_px: int, config: AugmentConfig) -> tuple[Tensor, Tensor]:
    """Heights and widths (N,) from chances (N, tries): the first try that fits, else the whole image."""
    share = config.crop_scale_min + (config.crop_scale_max - config.crop_scale_min) * area
    low, high = (math.log(bound) for bound in CROP_RATIO)
    stretch = torch.exp(low + (high - low) * ratio)
    width = (size_px * (share * stretch).sqrt()).round().long()
    height = (size_px * (share / stretch).sqrt()).round().long()
    fits = (width > 0) & (height > 0) & (width <= size_px) & (height <= size_px)
    # argmax gives the first True; where there is none it gives 0, and the whole image is taken.
    first = fits.int().argmax(dim=1, keepdim=True)
    found = fits.any(dim=1)
    return tuple(torch.where(found, side.gather(1, first)[:, 0], size_px) for side in (height, width))  # type: ignore[return-value]


def _position(chance: Tensor, room: Tensor) -> Tensor:
    """A whole number from 0 to ``room``, all equally likely; both (N,)."""
    return torch.minimum((chance * (room + 1)).long(), room)


def _stretch(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Weights (N, size, size): row i of a view's matrix says how much of each old pixel makes up new pixel i."""
    grid = torch.arange(size, device=start.device, dtype=torch.float32)
    # Old position of a new pixel's centre, minus half a pixel; clamped, so that the box's edge pixels go on beyond its edge.
    centre = (grid + 0.5) * (length / size)[:, None] - 0.5
    centre = centre.clamp_min_(0).minimum((length - 1)[:, None]) + start[:, None]
    return (1 - (grid - centre[:, :, None]).abs()).clamp_min_(0)


def _luma(views: Tensor) -> Tensor:
    """Brightness as seen, shape (N, 1, S, S); of one channel the channel itself."""
    if views.shape[1] == 1:
        return views
    red, green, blue = views[:, 0:1], views[:, 1:2], views[:, 2:3]
    luma: Tensor = LUMA[0] * red
    return luma.add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def _blur_matrix(sigma: Tensor, size: int) -> Tensor:
    """Matrices (N, size, size) that blur the rows of an image, with the edge pixel as the mirror's axis."""
    reach = min(blur_width(size) // 2, size - 1)
    taps = torch.arange(-reach, reach + 1, device=sigma.device)
    weights = torch.exp(-0.5 * (taps / sigma[:, None]) ** 2)
    weights = weights / weights.sum(dim=1, keepdim=True)
    source = torch.arange(size, device=sigma.device)[:, None] + taps
    source = (size - 1) - ((size - 1) - source.abs()).abs()
    matrix = torch.zeros(len(sigma), size, size, device=sigma.device)
    return matrix.scatter_add_(2, source.expand(len(sigma), -1, -1), weights[:, None].expand(-1, size, -1))


def _check(images: Tensor) -> None:
    square = images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[2] == images.shape[3]
    if images.dtype != torch.uint8 or not square:
        raise ValueError(
            f"images must be uint8 of shape (N, 1 or 3, S, S), not {images.dtype} of {tuple(images.shape)}"
        )
