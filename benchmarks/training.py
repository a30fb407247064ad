"""Training images a second: ours end to end, the limit that computing alone sets, what each setting gives, and lightly.

The limit is the same network, batch, loss and optimiser on tensors that are ready, in a bare loop. Our whole way, which draws the
views, goes through Lightning and tells its progress, is held against it.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import peers
from benchmarks.table import OURS, Row, in_turns
from simclr.config import FollowConfig, PretrainConfig
from simclr.datasets import Dataset
from simclr.datasets.patterns import patterns
from simclr.device import choose_device
from simclr.events import ignore, never
from simclr.halves import halves
from simclr.loss import nt_xent
from simclr.optim import build_optimizer
from simclr.pretrain import Network, pretrain
from simclr.runs import Run

IMAGES = 2_750  # 2,000 of them for training: a few seconds a turn on two cores
LIMIT = "computing alone"
# The default recipe, without looks at the features, which lightly's example has not either.
CONFIG = PretrainConfig(epochs=4, follow=FollowConfig(knn=False, probe=False, contrast=False, geometry=False))


def rows(turns: int) -> list[Row]:
    """End to end against the limit and lightly; then the limit without each of the settings that device.py chooses."""
    dataset = patterns(IMAGES)
    device = choose_device()
    end_to_end = {
        OURS: lambda: images_per_s(dataset),
        LIMIT: lambda: computing(device.bf16, device.threads),
        "lightly, DataLoader, 2 workers": lambda: lightly(dataset),
    }
    settings = {
        OURS: lambda: computing(device.bf16, device.threads),
        "float32": lambda: computing(False, device.threads),
        "contiguous layout": lambda: computing(device.bf16, device.threads, torch.contiguous_format),
        "one thread": lambda: computing(device.bf16, 1),
        "all threads on each operation": lambda: sharing(device.bf16, device.threads),
    }
    title = f"pretraining, batch {CONFIG.batch_size}, {CONFIG.encoder.architecture}-w{CONFIG.encoder.width}"
    return [
        in_turns(f"{title}, end to end", "images/s", end_to_end, turns),
        in_turns(f"{title}, computing alone, one setting changed", "images/s", settings, turns),
    ]


def images_per_s(dataset: Dataset) -> float:
    """As ``pretrain`` reports it, from the views to the events."""
    choose_device()
    with tempfile.TemporaryDirectory() as folder:
        return pretrain(CONFIG, dataset, Run(Path(folder)), ignore, never).images_per_s


def lightly(dataset: Dataset) -> float:
    with same_threads_after():
        return peers.training_images_per_s(dataset.images[dataset.indices("train")], CONFIG)


def sharing(bf16: bool, threads: int) -> float:
    """Both views one after the other, every operation on all threads, as torch does by itself."""
    with same_threads_after():
        torch.set_num_threads(threads)
        return computing(bf16, 1)


def computing(bf16: bool, threads: int, layout: torch.memory_format = torch.channels_last) -> float:
    """Forward, loss, backward and step on ready tensors."""
    device = choose_device().device if threads > 1 or torch.cuda.is_available() else torch.device("cpu")
    images = patterns(IMAGES).images[: CONFIG.batch_size]
    ready = torch.from_numpy(images).to(device).float().div_(255).contiguous(memory_format=layout)
    network = Network(CONFIG, 3).to(device).to(memory_format=layout)
    optimizer = build_optimizer(CONFIG.optim, [network], CONFIG.learning_rate, CONFIG.weight_decay)

    def encode(half: Network, _number: int) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, bf16, cache_enabled=False):
            projections: Tensor = half.head(half.encoder(ready))
        return projections

    with halves(network, threads if device.type == "cpu" else 1) as both:

        def step() -> Tensor:
            optimizer.zero_grad()
            loss = nt_xent(*both(encode), CONFIG.temperature)
            loss.backward()
            optimizer.step()
            return loss

        steps = CONFIG.epochs * (2_000 // CONFIG.batch_size)
        float(step().detach())
        began = time.perf_counter()
        for _ in range(steps):
            loss = step()
        float(loss.detach())  # an accelerator has only queued the work until something is read
        return steps * CONFIG.batch_size / (time.perf_counter() - began)


@contextmanager
def same_threads_after() -> Iterator[None]:
    """Leave torch's number of threads as it was."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
