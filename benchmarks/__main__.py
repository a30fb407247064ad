"""``make bench``: our augmentation and training beside lightly's, in turns, and their ratios.

Turns are interleaved, so that a busy machine hurts both alike; medians are shown. It measures, and passes no judgement.
"""

import logging
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import peers
from simclr.augment import draw_views
from simclr.config import PretrainConfig
from simclr.datasets import Dataset
from simclr.datasets.patterns import patterns
from simclr.device import choose_device
from simclr.events import ignore, never
from simclr.pretrain import pretrain
from simclr.runs import Run

TURNS = 3
IMAGES = 2_750  # 2,000 of them for training: half a minute a turn on two cores
# Two epochs of the default recipe; no look at the features, which lightly's example has not either.
CONFIG = PretrainConfig(epochs=2, knn_every=1000)


def main() -> None:
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    device = choose_device()
    dataset = patterns(IMAGES)
    images = dataset.images[dataset.indices("train")]
    print(f"{device.name}; {platform.machine()}; torch {version('torch')}; lightly {version('lightly')}")
    print(
        f"{len(images)} images of {images.shape[-1]} px, batch {CONFIG.batch_size}, medians of {TURNS} turns, seed {CONFIG.seed}"
    )
    compare(
        "two views of every image, views/s",
        lambda: our_views_per_s(images, device.device),
        lambda: peers.views_per_s(images, CONFIG),
    )
    compare(
        "pretraining end to end, images/s",
        lambda: our_images_per_s(dataset),
        lambda: peers.training_images_per_s(images, CONFIG),
    )


def compare(what: str, ours: Callable[[], float], theirs: Callable[[], float]) -> None:
    """Measure both in turns and print medians, their spread and the ratio."""
    turns = [(ours(), theirs()) for _ in range(TURNS)]
    our_median, their_median = (statistics.median(side) for side in zip(*turns, strict=True))
    ratios = sorted(our / their for our, their in turns)
    print(
        f"{what:<36} ours {our_median:>8,.0f}   lightly {their_median:>8,.0f}   "
        f"ratio {our_median / their_median:.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})",
        flush=True,
    )


def our_views_per_s(images: NDArray[np.uint8], device: torch.device) -> float:
    """Views a second of the one implementation that training, previews and the command line use."""
    generator = torch.Generator(device).manual_seed(CONFIG.seed)
    batches = torch.split(torch.from_numpy(images).to(device), CONFIG.batch_size)
    draw_views(batches[0], CONFIG.augment, generator)  # the first call sets caches up
    began = time.perf_counter()
    for batch in batches:
        draw_views(batch, CONFIG.augment, generator)
        views = draw_views(batch, CONFIG.augment, generator)
    float(views.sum())  # an accelerator has only queued the work until something is read
    return 2 * len(images) / (time.perf_counter() - began)


def our_images_per_s(dataset: Dataset) -> float:
    """Training images a second as ``pretrain`` reports them, without its looks at the features."""
    with tempfile.TemporaryDirectory() as folder:
        return pretrain(CONFIG, dataset, Run(Path(folder)), ignore, never).images_per_s


if __name__ == "__main__":
    main()
