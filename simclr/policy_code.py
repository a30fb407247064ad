"""A policy as a file for elsewhere: JSON, Python with this library, and Python with torchvision's transforms v2."""

from simclr.config import AugmentConfig

# The erased rectangle's ratios and the blur's width as the operations have them; importing those would import torch.
ERASE_RATIO = (0.3, 3.3)

OURS = '''"""Two views of every image, as SimCLR Lab draws them."""

import torch
from torch import Tensor

from simclr.augment import draw_views
from simclr.config import AugmentConfig

policy = {policy}
generator = torch.Generator().manual_seed(0)


def pairs(images: Tensor) -> tuple[Tensor, Tensor]:
    """From uint8 images (N, C, S, S) to two float views of each, in [0, 1]."""
    return draw_views(images, policy, generator), draw_views(images, policy, generator)
'''

TORCHVISION = '''"""Two views of an image by the law of SimCLR Lab's; torchvision draws them one by one, from its own numbers."""

import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import InterpolationMode

view = v2.Compose(
    [
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
{steps}    ]
)


def pair(image):
    """From an image (PIL, or uint8 of shape (C, {size}, {size})) to two float views of it, in [0, 1]."""
    return view(image), view(image)
'''


def as_json(config: AugmentConfig) -> str:
    """Every choice of the policy; ``AugmentConfig.model_validate_json`` reads it back."""
    return config.model_dump_json(indent=2) + "\n"


def as_python(config: AugmentConfig) -> str:
    """A module that draws pairs with this library; only choices that differ from the default are named."""
    changed = {name: value for name, value in config if value != AugmentConfig.model_fields[name].default}
    lines = "".join(f"    {name}={value!r},\n" for name, value in changed.items())
    return OURS.format(policy=f"AugmentConfig(\n{lines})" if lines else "AugmentConfig()")


def as_torchvision(config: AugmentConfig, size_px: int) -> str:
    """A module that draws pairs with torchvision, for images of ``size_px``.

    Same operations, same order, same ranges. A view has the same law but not the same pixels, as torchvision takes its random
    numbers one by one; with the same parameters it has the same pixels.
    """
    return TORCHVISION.format(steps="".join(f"        {step},\n" for step in _steps(config, size_px)), size=size_px)


def _steps(c: AugmentConfig, size: int) -> list[str]:
    steps = []
    if c.rotation_p > 0 and c.rotation_max > 0:
        turn = f"v2.RandomRotation({c.rotation_max!r}, InterpolationMode.BILINEAR, fill=None)"
        steps.append(_sometimes(turn, c.rotation_p))
    if c.crop_scale_min < 1:
        scale, ratio = (c.crop_scale_min, c.crop_scale_max), (c.crop_ratio_min, c.crop_ratio_max)
        how = f"InterpolationMode.{c.crop_interpolation.upper()}"
        steps.append(
            f"v2.RandomResizedCrop({size}, scale={scale!r}, ratio={ratio!r}, interpolation={how}, antialias=True)"
        )
        if c.crop_interpolation == "bicubic":
            steps.append("v2.Lambda(lambda x: x.clamp(0, 1))")  # cubics overshoot
    if c.flip_p > 0:
        steps.append(f"v2.RandomHorizontalFlip({c.flip_p!r})")
    if c.vertical_flip_p > 0:
        steps.append(f"v2.RandomVerticalFlip({c.vertical_flip_p!r})")
    ranges = [round(c.jitter_strength * reach, 6) for reach in (c.brightness, c.contrast, c.saturation, c.hue)]
    if c.jitter_p > 0 and any(ranges):
        names = ("brightness", "contrast", "saturation", "hue")
        reach = ", ".join(f"{name}={value!r}" for name, value in zip(names, ranges, strict=True))
        steps.append(_sometimes(f"v2.ColorJitter({reach})", c.jitter_p))
    if c.grey_p > 0:
        steps.append(f"v2.RandomGrayscale({c.grey_p!r})")
    if c.blur_p > 0 and size >= 3:
        sigma = (c.blur_sigma_min, c.blur_sigma_max)
        steps.append(_sometimes(f"v2.GaussianBlur({blur_width(size)}, sigma={sigma!r})", c.blur_p))
    if c.solarise_p > 0:
        steps.append(f"v2.RandomSolarize({c.solarise_threshold!r}, p={c.solarise_p!r})")
    if c.noise_p > 0 and c.noise_std > 0:
        steps.append(_sometimes(f"v2.GaussianNoise(sigma={c.noise_std!r})", c.noise_p))
    if c.erase_p > 0:
        scale = (c.erase_scale_min, c.erase_scale_max)
        steps.append(f"v2.RandomErasing({c.erase_p!r}, scale={scale!r}, ratio={ERASE_RATIO!r})")
    return steps


def _sometimes(step: str, p: float) -> str:
    return f"v2.RandomApply([{step}], {p!r})"


def blur_width(size_px: int) -> int:
    """As ``simclr.views.filters.blur_width``, without torch."""
    return max(3, 2 * round((size_px / 10 - 1) / 2) + 1)
