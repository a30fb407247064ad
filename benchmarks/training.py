"""Training images a second: ours end to end, the limit that computing alone sets, what each setting gives, and lightly.

The limit is the same network, batch, loss and optimiser on tensors that are ready, in a bare loop. Our whole way, which draws the
views, goes through Lightning and tells its progress, is held against it. On a GPU an epoch of CIFAR-10 with ResNet-18 is too.
"""

import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks import peers
from benchmarks.convolutions import torchs_own
from benchmarks.table import OURS, Row, in_turns
from simclr import device as devices
from simclr.config import FollowConfig, PretrainConfig
from simclr.datasets import Dataset
from simclr.datasets.patterns import patterns
from simclr.device import Device, choose_device
from simclr.events import Event, Progress, Stopped, ignore, never
from simclr.halves import halves
from simclr.loss import nt_xent
from simclr.optim import build_optimizer
from simclr.presets import pretrain_preset
from simclr.pretrain import Network, features_and_projections, pretrain
from simclr.runs import Run

IMAGES = 2_750  # 2,000 of them for training: a few seconds a turn on two cores
WARM_UP, STEPS = 10, 60
LONGEST_S = 15.0  # for settings that do not suit the machine, such as bfloat16 without instructions for it
LIMIT = "computing alone"
UNWATCHED = FollowConfig(knn=False, probe=False, contrast=False, geometry=False)
# The default recipe, without looks at the features, which lightly's example has not either.
CONFIG = PretrainConfig(epochs=4, follow=UNWATCHED)
# What a GPU is measured with: long enough to be compiled, and stopped as soon as its speed is known.
FAST = pretrain_preset("cifar10-fast").model_copy(update={"follow": UNWATCHED})
DEFAULT_HEAP = "memory handed back at every step"
Layout = torch.memory_format


def rows(turns: int) -> list[Row]:
    """End to end against the limit and lightly; then the limit without each of the settings that device.py chooses."""
    dataset = patterns(IMAGES)
    device = choose_device()
    end_to_end = {
        OURS: lambda: images_per_s(dataset),
        LIMIT: lambda: computing(device),
        "lightly, DataLoader, 2 workers": lambda: lightly(dataset),
    }
    title = f"pretraining, batch {CONFIG.batch_size}, {CONFIG.encoder.architecture}-w{CONFIG.encoder.width}"
    found = [
        in_turns(f"{title}, end to end", "images/s", end_to_end, turns),
        in_turns(f"{title}, computing alone, one setting changed", "images/s", settings(device), turns),
    ]
    return found if device.device.type == "cpu" else [*found, epoch_row(FAST, cifar10_in_size(), turns)]


def settings(device: Device) -> dict[str, Callable[[], float]]:
    """Ours, and ours with one choice made otherwise."""
    other = "float32" if device.bf16 else "bfloat16"
    compiled = replace(device, compiler=None if device.compiler else "inductor")
    return {
        OURS: lambda: computing(device),
        other: lambda: computing(replace(device, bf16=not device.bf16)),
        "contiguous layout": lambda: computing(device, layout=torch.contiguous_format),
        "compiled" if compiled.compiler else "not compiled": lambda: computing(compiled),
        "torch's own convolutions": lambda: without_winograd(device),
        DEFAULT_HEAP: lambda: in_fresh_process(DEFAULT_HEAP),
        "one thread": lambda: computing(replace(device, threads=1)),
        "all threads on each operation": lambda: sharing(device),
    }


def epoch_row(config: PretrainConfig, dataset: Dataset, turns: int) -> Row:
    """Seconds an epoch takes end to end, and computing alone."""
    device = choose_device()
    images = len(dataset.indices("train")) // config.batch_size * config.batch_size
    contenders = {
        OURS: lambda: images / speed_of(config, dataset),
        LIMIT: lambda: images / computing(device, config),
    }
    title = f"an epoch of {images:,} images, batch {config.batch_size}, {config.encoder.architecture}"
    return in_turns(title, "s", contenders, turns, higher_is_better=False)


def images_per_s(dataset: Dataset) -> float:
    """As ``pretrain`` reports it, from the views to the events."""
    choose_device()
    with tempfile.TemporaryDirectory() as folder:
        return pretrain(CONFIG, dataset, Run(Path(folder)), ignore, never).images_per_s


def speed_of(config: PretrainConfig, dataset: Dataset, most_s: float = math.inf) -> float:
    """Images a second of a pretraining that is stopped after some steps, of which the first, with any compiling, do not count.

    Slow ones are stopped after ``most_s`` seconds of steps that count.
    """
    told: list[tuple[int, float]] = []

    def hear(event: Event) -> None:
        if isinstance(event, Progress) and event.step > WARM_UP:
            told.append((event.step, time.perf_counter()))

    def is_known() -> bool:
        return len(told) > 1 and (told[-1][0] - told[0][0] >= STEPS or told[-1][1] - told[0][1] >= most_s)

    with tempfile.TemporaryDirectory() as folder, suppress(Stopped):
        pretrain(config, dataset, Run(Path(folder)), hear, is_known)
    if len(told) < 2:
        raise ValueError(f"too short to measure: {config.epochs} epochs of {len(dataset)} images")
    (first, began), (last, ended) = told[0], told[-1]
    return (last - first) * config.batch_size / (ended - began)


def cifar10_in_size() -> Dataset:
    """As many images as CIFAR-10 trains with, of noise: speed does not ask what is on them."""
    random = np.random.default_rng(0)
    return Dataset(
        images=random.integers(0, 256, (50_000, 3, 32, 32), dtype=np.uint8),
        labels=np.full(50_000, -1, np.int64),
        splits=np.zeros(50_000, np.uint8),
        classes=(),
        source="noise",
    )


def lightly(dataset: Dataset) -> float:
    with same_threads_after():
        return peers.training_images_per_s(dataset.images[dataset.indices("train")], CONFIG)


def sharing(device: Device) -> float:
    """Both views one after the other, every operation on all threads, as torch does by itself."""
    with same_threads_after():
        torch.set_num_threads(device.threads)
        return computing(replace(device, threads=1))


def without_winograd(device: Device) -> float:
    with torchs_own():
        return computing(device)


def computing(device: Device, config: PretrainConfig = CONFIG, layout: Layout = torch.channels_last) -> float:
    """Forward, loss, backward and step on ready tensors."""
    images = np.random.default_rng(0).random((config.batch_size, 3, 32, 32), dtype=np.float32)
    ready = torch.from_numpy(images).to(device.device).contiguous(memory_format=layout)
    network = Network(config, 3).to(device.device).to(memory_format=layout)
    optimizer = build_optimizer(config.optim, [network], config.learning_rate, config.weight_decay)
    forward = compiled(device.compiler) if device.compiler else features_and_projections

    def encode(half: Network, _number: int) -> Tensor:
        with torch.autocast(device.device.type, torch.bfloat16, device.bf16, cache_enabled=False):
            return forward(half, ready)[1]

    with halves(network, device.threads if device.device.type == "cpu" else 1) as both:

        def step() -> Tensor:
            optimizer.zero_grad()
            loss = nt_xent(*both(encode), config.temperature)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            return loss

        for _ in range(2):
            float(step().detach())
        began, done = time.perf_counter(), 0
        while done < STEPS and time.perf_counter() - began < LONGEST_S:
            loss = step()
            done += 1
        float(loss.detach())  # an accelerator has only queued the work until something is read
        return done * config.batch_size / (time.perf_counter() - began)


@cache
def compiled(backend: str) -> Callable[[Network, Tensor], tuple[Tensor, Tensor]]:
    """Compiled once for all turns."""
    return torch.compile(features_and_projections, backend=backend)


def in_fresh_process(setting: str) -> float:
    """What cannot be taken back in this process; see ``main``."""
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.training", setting],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(told.stdout.split()[-1])


@contextmanager
def same_threads_after() -> Iterator[None]:
    """Leave torch's number of threads as it was."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def main() -> None:
    """All rows on the terminal, or one figure for ``in_fresh_process``."""
    if sys.argv[1:] == [DEFAULT_HEAP]:
        devices.keep_heap_mapped = lambda: False
        print(computing(choose_device()))
        return
    for row in rows(turns=3):
        print(*row.lines(), sep="\n", flush=True)


if __name__ == "__main__":
    main()
