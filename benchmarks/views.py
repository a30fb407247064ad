"""Views a second of the full SimCLR pipeline: ours beside lightly, torchvision and kornia, each used as its makers show it.

Everybody crops, flips, jitters colours, greys and blurs as often and as far, on the same images and on every usable core. What
differs: lightly and torchvision take image by image in two worker processes; kornia takes batches, with one order of the
four colour steps a batch, where the others draw one a view; lightly blurs by Pillow's approximation of a Gaussian.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks import peers
from benchmarks.table import OURS, Row, in_turns
from simclr.augment import draw_views
from simclr.config import AugmentConfig, PretrainConfig
from simclr.cores import usable_cores
from simclr.datasets.patterns import patterns
from simclr.device import keep_heap_mapped
from simclr.views.filters import blur_width

# Size in pixels, and images: about three seconds a turn for the slowest on two cores.
SIZES = {32: 2750, 96: 440}
BATCH = 256
CONFIG = PretrainConfig(batch_size=BATCH, augment=AugmentConfig(blur_p=0.5))

Images = NDArray[np.uint8]
Measure = Callable[[], float]


def rows(turns: int) -> list[Row]:
    """A row for every size; a peer that is not installed is named in the row's title instead."""
    keep_heap_mapped()
    missing = "" if find_spec("kornia") else "; kornia is not installed"
    found = []
    for size, count in SIZES.items():
        images = patterns(count, size_px=size).images
        title = f"views of {size} px, crop, flip, jitter, grey and blur{missing}"
        found.append(in_turns(title, "views/s", contenders(images), turns))
    return found


def contenders(images: Images) -> dict[str, Measure]:
    """What is measured, by name; those with worker processes first, as a process forks best before it has threads."""
    found: dict[str, Measure] = {
        f"lightly, DataLoader, {peers.WORKERS} workers": of_loader(lambda: lightly_loader(images)),
        f"torchvision v2, DataLoader, {peers.WORKERS} workers": of_loader(lambda: torchvision_loader(images)),
    }
    for measure in found.values():
        measure()
    if find_spec("kornia"):
        found["kornia, batches"] = of_batches(
            kornia_views(images.shape[-1]), torch.from_numpy(images).float().div_(255)
        )
    generator = torch.Generator().manual_seed(CONFIG.seed)
    ours = of_batches(lambda batch: draw_views(batch, CONFIG.augment, generator), torch.from_numpy(images))
    return {OURS: ours} | found


def of_loader(make: Callable[[], Iterable[list[Tensor]]]) -> Measure:
    """Views a second out of a DataLoader, its workers running already after the first call."""
    loader = cache(make)

    def measure() -> float:
        began, views = time.perf_counter(), 0
        for pair in loader():
            views += sum(len(view) for view in pair)
        return views / (time.perf_counter() - began)

    return measure


def of_batches(draw: Callable[[Tensor], Tensor], images: Tensor) -> Measure:
    """Views a second of two calls a batch, with every usable core."""

    def pairs() -> Iterator[Tensor]:
        for batch in images.split(BATCH):
            yield from (draw(batch), draw(batch))

    def measure() -> float:
        torch.set_num_threads(usable_cores())
        next(pairs())  # the first call after others starts threads and fills caches
        began = time.perf_counter()
        views = sum(len(view) for view in pairs())
        return views / (time.perf_counter() - began)

    return measure


def lightly_loader(images: Images) -> "DataLoader[list[Tensor]]":
    """lightly's transform, without the normalisation, which the others leave to the training as well."""
    return peers.loader(images, CONFIG, normalize=None)


class TensorPairs(Dataset[list[Tensor]]):
    """Two views of every image by torchvision's second version, on uint8 tensors."""

    def __init__(self, images: Images) -> None:
        from torchvision.transforms import v2

        a, size = CONFIG.augment, images.shape[-1]
        s = a.jitter_strength
        jitter = v2.ColorJitter(s * a.brightness, s * a.contrast, s * a.saturation, s * a.hue)
        blur = v2.GaussianBlur(blur_width(size), (a.blur_sigma_min, a.blur_sigma_max))
        self._images = torch.from_numpy(images)
        self._transform = v2.Compose(
            [
                v2.RandomResizedCrop(size, (a.crop_scale_min, a.crop_scale_max), (a.crop_ratio_min, a.crop_ratio_max)),
                v2.RandomHorizontalFlip(a.flip_p),
                v2.RandomApply([jitter], a.jitter_p),
                v2.RandomGrayscale(a.grey_p),
                v2.RandomApply([blur], a.blur_p),
                v2.ToDtype(torch.float32, scale=True),
            ]
        )

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> list[Tensor]:
        return [self._transform(self._images[index]) for _ in range(2)]


def torchvision_loader(images: Images) -> "DataLoader[list[Tensor]]":
    """Two worker processes, which is every core of the machine that the figures are from."""
    return DataLoader(
        TensorPairs(images), BATCH, shuffle=True, drop_last=True, num_workers=peers.WORKERS, persistent_workers=True
    )


def kornia_views(size: int) -> Callable[[Tensor], Tensor]:
    """kornia's operations on float batches; crops by resampling, which is its faster mode on small images."""
    import kornia.augmentation as K  # noqa: N812  as its makers call it

    a = CONFIG.augment
    s, width = a.jitter_strength, blur_width(size)
    transform = K.AugmentationSequential(
        K.RandomResizedCrop(
            (size, size),
            (a.crop_scale_min, a.crop_scale_max),
            (a.crop_ratio_min, a.crop_ratio_max),
            cropping_mode="resample",
        ),
        K.RandomHorizontalFlip(p=a.flip_p),
        K.ColorJitter(s * a.brightness, s * a.contrast, s * a.saturation, s * a.hue, p=a.jitter_p),
        K.RandomGrayscale(p=a.grey_p),
        K.RandomGaussianBlur((width, width), (a.blur_sigma_min, a.blur_sigma_max), p=a.blur_p),
    )

    def draw(batch: Tensor) -> Tensor:
        with torch.inference_mode():
            views: Tensor = transform(batch)
        return views

    return draw
