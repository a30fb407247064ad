"""Everything random about views, drawn for a whole batch at once from one generator."""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from simclr.chunks import one_thread
from simclr.config import AugmentConfig

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
# torchvision tries as often to find a box that fits; RandomErasing's aspect ratios.
TRIES = 10
ERASE_RATIO = (0.3, 3.3)
# How many uniform numbers a view takes, in the order in which it takes them; boxes are the crop and the erased rectangle.
SHARES = {"box area and ratio": 2 * 2 * TRIES, "box position": 2 * 2, "order": 4, "applied": 9, "values": 6, "noise": 2}
NUMBERS = sum(SHARES.values())
# A uniform float32 number has 24 random bits.
BITS = 24


@dataclass(frozen=True)
class ViewParameters:
    """Everything random about N views, and the settings that applying it needs; one row a view.

    Attributes:
        rotate, flip, vertical_flip, jitter, grey, blur, solarise, noise, erase: Whether it is applied, bool, shape (N,).
        angle: Turn of the image in degrees, counter-clockwise, float32, shape (N,).
        top, left, height, width: The crop in pixels, int64, shape (N,).
        bicubic: Whether the crop is stretched by cubics instead of lines, bool, shape (N,).
        brightness, contrast, saturation: Factors, 1 changes nothing, float32, shape (N,).
        hue: Turn of the colour circle, in [-0.5, 0.5], 0 changes nothing, float32, shape (N,).
        order: Row by row the order in which BRIGHTNESS, CONTRAST, SATURATION and HUE come, int64, shape (N, 4).
        sigma: Width of the blur in pixels, float32, shape (N,).
        threshold: Value from which pixels are inverted, float32, shape (N,).
        noise_std: Spread of the noise, float32, shape (N,).
        noise_seed: The noise itself: every pixel's is computed from this number and the pixel's place, int64, shape (N,).
        erase_top, erase_left, erase_height, erase_width: The rectangle in pixels, int64, shape (N,).
    """

    rotate: Tensor
    angle: Tensor
    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    bicubic: Tensor
    flip: Tensor
    vertical_flip: Tensor
    jitter: Tensor
    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor
    order: Tensor
    grey: Tensor
    blur: Tensor
    sigma: Tensor
    solarise: Tensor
    threshold: Tensor
    noise: Tensor
    noise_std: Tensor
    noise_seed: Tensor
    erase: Tensor
    erase_top: Tensor
    erase_left: Tensor
    erase_height: Tensor
    erase_width: Tensor

    def __len__(self) -> int:
        return len(self.top)

    def __getitem__(self, rows: slice | Tensor) -> "ViewParameters":
        return ViewParameters(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def to(self, device: torch.device) -> "ViewParameters":
        """The same parameters on another device."""
        if self.top.device == device:
            return self
        return ViewParameters(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def draw_parameters(n: int, size_px: int, config: AugmentConfig, generator: torch.Generator) -> ViewParameters:
    """Draw the parameters of ``n`` views of square images of ``size_px``.

    Every view takes the same numbers from ``generator`` whatever ``config`` says, so switching one operation off leaves
    the others as they were: a preview changes only in what was changed.

    Source: torchvision's RandomResizedCrop, RandomRotation, ColorJitter, GaussianBlur and RandomErasing; the paper's
    strength s multiplies the four ranges of the colour jitter.
    """
    with one_thread():
        return parameters_from(draw_chances(n, generator), size_px, config)


def draw_chances(n: int, generator: torch.Generator) -> Tensor:
    """The uniform numbers that ``n`` views take, one row a view; float32, shape (n, NUMBERS), in [0, 1)."""
    return torch.rand(n, NUMBERS, generator=generator, device=generator.device)


def parameters_from(chances: Tensor, size_px: int, config: AugmentConfig) -> ViewParameters:
    """What the numbers of ``draw_chances``, of one draw or several below each other, mean for views of ``size_px``."""
    # One row a number, so that every view's number lies beside the next view's.
    n, chances = len(chances), chances.T.contiguous()
    sides, positions, order, applied, values, noise_bits = torch.split(chances, list(SHARES.values()))
    (height, width), (erase_height, erase_width), (top, left), (erase_top, erase_left) = _boxes(
        sides.view(2, 2, TRIES, n), positions.view(2, 2, n), size_px, config
    )
    rotate, flip, vertical_flip, jitter, grey, blur, solarise, noise, erase = _applied(applied, config)
    angle, brightness, contrast, saturation, hue, sigma = _values(values, config)
    high, low = (noise_bits * 2**BITS).long()
    return ViewParameters(
        rotate=rotate, angle=angle,
        top=top, left=left, height=height, width=width,
        bicubic=torch.full_like(flip, config.crop_interpolation == "bicubic"), flip=flip, vertical_flip=vertical_flip,
        jitter=jitter, brightness=brightness, contrast=contrast, saturation=saturation, hue=hue,
        order=order.T.argsort(dim=1),
        grey=grey,
        blur=blur, sigma=sigma,
        solarise=solarise, threshold=torch.full_like(sigma, config.solarise_threshold),
        noise=noise, noise_std=torch.full_like(sigma, config.noise_std), noise_seed=(high << BITS) | low,
        erase=erase, erase_top=erase_top, erase_left=erase_left, erase_height=erase_height, erase_width=erase_width,
    )  # fmt: skip


def jitter_ranges(config: AugmentConfig) -> tuple[float, float, float, float]:
    """How far brightness, contrast, saturation and hue go to either side; all 0 means that jitter does nothing."""
    s = config.jitter_strength
    return s * config.brightness, s * config.contrast, s * config.saturation, s * config.hue


def _applied(chances: Tensor, config: AugmentConfig) -> tuple[Tensor, ...]:
    """Nine rows (N,) that say which views an operation is applied to; one that could change nothing is to none."""
    shares = [
        config.rotation_p if config.rotation_max > 0 else 0.0,
        config.flip_p,
        config.vertical_flip_p,
        config.jitter_p if any(jitter_ranges(config)) else 0.0,
        config.grey_p,
        config.blur_p,
        config.solarise_p,
        config.noise_p if config.noise_std > 0 else 0.0,
        config.erase_p,
    ]
    return (chances < torch.tensor(shares, device=chances.device)[:, None]).unbind()


def _values(chances: Tensor, config: AugmentConfig) -> tuple[Tensor, ...]:
    """Angle, brightness, contrast, saturation, hue and sigma, each uniform in its range; six rows (N,)."""
    *factors, hue = jitter_ranges(config)
    ranges = [
        (-config.rotation_max, config.rotation_max),
        *((max(0.0, 1.0 - reach), 1.0 + reach) for reach in factors),
        (-hue, hue),
        (config.blur_sigma_min, config.blur_sigma_max),
    ]
    low = torch.tensor([low for low, _ in ranges], device=chances.device)[:, None]
    span = torch.tensor([high - low for low, high in ranges], device=chances.device)[:, None]
    return (low + span * chances).unbind()


def _boxes(sides: Tensor, positions: Tensor, size: int, config: AugmentConfig) -> tuple[Tensor, ...]:
    """(height, width) of the crop and of the erased rectangle, then (top, left) of both, in pixels; four tensors (2, N).

    A box has an area that is uniform in the range of scales, and a ratio whose logarithm is uniform. The first try that fits
    is taken; if none does, all of the image is kept and nothing erased.

    Args:
        sides: Chances of (crop, erase) × (area, ratio), shape (2, 2, tries, N).
        positions: Chances of (crop, erase) × (top, left), shape (2, 2, N).
    """
    # Ratios are height to width here as in RandomErasing; RandomResizedCrop's are width to height.
    crop_ratios, erase_ratios = (1 / config.crop_ratio_max, 1 / config.crop_ratio_min), ERASE_RATIO
    ranges = [
        [(config.crop_scale_min, config.crop_scale_max), [math.log(ratio) / 2 for ratio in crop_ratios]],
        [(config.erase_scale_min, config.erase_scale_max), [math.log(ratio) / 2 for ratio in erase_ratios]],
    ]
    low, high = torch.tensor(ranges, device=sides.device)[..., None, None].unbind(dim=2)
    area, stretch = torch.addcmul(low, high - low, sides).unbind(dim=1)
    root, stretch = area.sqrt().mul_(size), stretch.exp()
    # (height, width) × (crop, erase) × tries × N
    boxes = torch.stack((root * stretch, root / stretch)).round_()
    smallest, largest, otherwise = torch.tensor([[1, 0], [size, size - 1], [size, 0]], device=sides.device)[
        ..., None, None
    ]
    shorter, longer = boxes.aminmax(dim=0)
    fits = (shorter >= smallest) & (longer <= largest)
    # argmax gives the first True; where there is none it gives 0.
    first = fits.int().argmax(dim=1, keepdim=True)
    chosen = boxes.gather(2, first.expand(2, -1, -1, -1))[:, :, 0]
    heights_and_widths = torch.where(fits.any(dim=1), chosen, otherwise[:, 0]).long().transpose(0, 1)
    room = size - heights_and_widths
    # Rounding may carry a chance next to 1 up to the number after the last.
    tops_and_lefts = torch.minimum((positions * (room + 1)).long(), room)
    return *heights_and_widths, *tops_and_lefts
