"""Every operation on one view as torchvision does it with the same parameters: what our batches are compared with."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from simclr.augment import ViewParameters, draw_parameters
from simclr.config import AugmentConfig
from simclr.views.filters import blur_width
from simclr.views.parameters import BRIGHTNESS, CONTRAST, HUE, SATURATION

# Every operation on, each for some views and not for others.
EVERYTHING = AugmentConfig(
    crop_scale_min=0.08, vertical_flip_p=0.5, rotation_p=0.5, rotation_max=180.0, jitter_p=0.9, jitter_strength=1.0,
    grey_p=0.3, blur_p=0.5, solarise_p=0.5, noise_p=0.5, noise_std=0.1, erase_p=0.5,
)  # fmt: skip
# And every operation off.
STILL = AugmentConfig(crop_scale_min=1.0, flip_p=0.0, jitter_p=0.0, grey_p=0.0, blur_p=0.0)


def random_images(n: int, channels: int = 3, size: int = 32, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=generator)


def parameters_of(n: int, size: int, config: AugmentConfig, seed: int = 0) -> ViewParameters:
    return draw_parameters(n, size, config, torch.Generator().manual_seed(seed))


def rotated(view: Tensor, p: ViewParameters, i: int) -> Tensor:
    return functional.rotate(view, float(p.angle[i]), InterpolationMode.BILINEAR) if p.rotate[i] else view


def cropped(view: Tensor, p: ViewParameters, i: int) -> Tensor:
    box = [int(side[i]) for side in (p.top, p.left, p.height, p.width)]
    how = InterpolationMode.BICUBIC if p.bicubic[i] else InterpolationMode.BILINEAR
    view = functional.resized_crop(view, *box, list(view.shape[1:]), how, antialias=True).clamp(0, 1)
    view = functional.horizontal_flip(view) if p.flip[i] else view
    return functional.vertical_flip(view) if p.vertical_flip[i] else view


def jittered(view: Tensor, p: ViewParameters, i: int) -> Tensor:
    steps = {
        BRIGHTNESS: lambda x: functional.adjust_brightness(x, float(p.brightness[i])),
        CONTRAST: lambda x: functional.adjust_contrast(x, float(p.contrast[i])),
        SATURATION: lambda x: functional.adjust_saturation(x, float(p.saturation[i])),
        HUE: lambda x: functional.adjust_hue(x, float(p.hue[i])),
    }
    for step in p.order[i].tolist() if p.jitter[i] else []:
        view = steps[step](view)
    return view


def greyed(view: Tensor, p: ViewParameters, i: int) -> Tensor:
    return functional.rgb_to_grayscale(view, len(view)) if p.grey[i] else view


def blurred(view: Tensor, p: ViewParameters, i: int) -> Tensor:
    width = blur_width(view.shape[-1])
    return functional.gaussian_blur(view, [width, width], [float(p.sigma[i])]) if p.blur[i] else view


def solarised(view: Tensor, p: ViewParameters, i: int) -> Tensor:
    return functional.solarize(view, float(p.threshold[i])) if p.solarise[i] else view


def noisy(view: Tensor, p: ViewParameters, i: int) -> Tensor:
    if not p.noise[i]:
        return view
    noise = hashed_noise(int(p.noise_seed[i]), view.numel()).reshape(view.shape)
    return (view + float(p.noise_std[i]) * torch.from_numpy(noise).float()).clamp(0, 1)


def erased(view: Tensor, p: ViewParameters, i: int) -> Tensor:
    box = [int(side[i]) for side in (p.erase_top, p.erase_left, p.erase_height, p.erase_width)]
    return functional.erase(view, *box, torch.zeros(())) if p.erase[i] else view


# The names and order of simclr.augment.OPERATIONS.
TORCHVISION: dict[str, Callable[[Tensor, ViewParameters, int], Tensor]] = {
    "rotation": rotated,
    "crop and flips": cropped,
    "colour jitter": jittered,
    "greyscale": greyed,
    "blur": blurred,
    "solarisation": solarised,
    "noise": noisy,
    "erasing": erased,
}


def hashed_noise(seed: int, count: int) -> NDArray[np.float64]:
    """The noise in numpy's own 32-bit words and float64."""

    def mixed(x: NDArray[np.uint32]) -> NDArray[np.uint32]:
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
        return x ^ (x >> np.uint32(16))

    half = (count + 1) // 2
    places = mixed(np.arange(1, 2 * half + 1, dtype=np.uint32))
    bits = mixed(mixed(places ^ np.uint32(seed & 0xFFFFFFFF)) ^ np.uint32(seed >> 32))
    first, second = np.split(((bits >> np.uint32(8)).astype(np.float64) + 1) / 2**24, 2)
    radius, angle = np.sqrt(-2 * np.log(first)), 2 * np.pi * second
    return np.concatenate((radius * np.cos(angle), radius * np.sin(angle)))[:count]
