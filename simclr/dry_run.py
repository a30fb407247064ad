"""A dry run: a few real steps of a pretraining, to foretell what the whole takes. Nothing is written, nothing is learned from."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch
from torch import nn

from simclr.config import PretrainConfig
from simclr.costs import Costs
from simclr.datasets.store import Dataset
from simclr.device import choose_device
from simclr.encoders import image_facts
from simclr.encoding import encode_images
from simclr.events import ignore, never
from simclr.halves import halves
from simclr.loss import chance_level
from simclr.memory import is_out_of_memory
from simclr.pretrain import Contrastive
from simclr.randomness import stream
from simclr.resume import Cadence, Keeper
from simclr.runs import Run
from simclr.training import Batches, Watch

BUDGET_S = 4.0
FIRST_BATCH = 32
STEPS = 5  # that are timed at the batch that is wanted
ENCODED = 256  # images of which a look's speed is told
CONTAINER = Path("/sys/fs/cgroup")


def dry_run(
    config: PretrainConfig,
    dataset: Dataset,
    peak_bytes: Callable[[], int],
    budget_s: float = BUDGET_S,
) -> Costs:
    """Take steps of ``config`` on its images, with batches that double up to the one that is wanted or until time is up.

    Views, networks, loss and optimiser are those of ``pretrain``; only the compiler, which takes a minute, is left out. A step
    that has begun is finished, so the budget may be overrun by one.

    Args:
        config: Every choice; how long it would train plays no part.
        dataset: The real images.
        peak_bytes: The most memory that this process has held.
        budget_s: Seconds to spend on steps.

    Raises:
        ValueError: as ``pretrain`` does, before the first step.
    """
    began = time.monotonic()
    device = choose_device()
    batches = Batches(dataset.indices("train"), config.batch_size, stream(config.seed, "order"))
    watch = Watch(batches, 1, ignore, never, chance=chance_level(config.batch_size, config.loss))
    watch.steps = 1  # too few to be worth compiling for
    keeper = Keeper(Run(Path("/nonexistent")), config, {}, ignore, Cadence())
    module = Contrastive(config, dataset, image_facts(dataset), batches, watch, device, keeper)
    with halves(module.network.to(device.device), device.threads if device.device.type == "cpu" else 1) as both:
        module.both = both
        module.optimizer = module.build_optimizer()
        return _measure(module, time.monotonic() - began, peak_bytes, budget_s)


def _measure(module: Contrastive, start_s: float, peak_bytes: Callable[[], int], budget_s: float) -> Costs:
    wanted, over_at = module.config.batch_size, time.monotonic() + budget_s
    shuffled = next(iter(module.course.batches))
    at_rest, spare = peak_bytes(), spare_bytes(module.work.device)
    seen: list[tuple[int, float, int]] = []  # batch, seconds of a step, peak

    def step(batch: int) -> float:
        before = time.monotonic()
        _step(module, shuffled[:batch])
        if module.work.device.type == "cuda":
            torch.cuda.synchronize()
        return time.monotonic() - before

    for batch in _doubling(min(FIRST_BATCH, wanted), wanted):
        if seen and time.monotonic() + 3 * seen[-1][1] * batch / seen[-1][0] > over_at:
            break
        try:
            times = [step(batch)]
            if time.monotonic() + times[0] < over_at:
                times = [step(batch)]  # since the first of a size takes room and chooses kernels
            while batch == wanted and len(times) < STEPS and time.monotonic() + times[-1] < over_at:
                times.append(step(batch))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return _too_large(wanted, seen[-1][0] if seen else None, "fits, as tried just now")
        seen.append((batch, median(times), peak_bytes()))
    tried, seconds, peak = seen[-1]
    if tried < wanted:
        peak = round(at_rest + (peak - at_rest) * wanted / tried)
        if spare is not None and peak - at_rest > spare:
            return _too_large(wanted, int(wanted * spare / (peak - at_rest)), "should fit")
    return Costs(
        step_s=seconds * wanted / tried,
        look_s=_look_s(module, tried),
        start_s=start_s,
        peak_bytes=peak,
        tried_batch=tried,
    )


def _step(module: Contrastive, indices: torch.Tensor) -> None:
    with module.work.autocast():
        loss = module.training_step(indices, 0)
    loss.backward()  # type: ignore[no-untyped-call]
    if module.config.optim.gradient_clip:
        nn.utils.clip_grad_norm_(module.network.parameters(), module.config.optim.gradient_clip)
    module.optimizer.step()
    module.optimizer.zero_grad()
    module.after_step()


def _look_s(module: Contrastive, affordable: int) -> float:
    """Seconds of a look, which is almost only encoding: by the speed at which a few images are, no more than ``affordable``."""
    follow, sample = module.config.follow, module.follow.sample
    labels = len(sample.queries) + len(sample.bank) if module.follow.labelled and (follow.knn or follow.probe) else 0
    pairs = 2 * len(sample.pairs) if follow.contrast or follow.geometry else 0
    images = module.pool.images[: min(ENCODED, affordable)]
    if not labels + pairs or len(images) == 0:
        return 0.0
    times = []
    for _ in range(2):
        before = time.monotonic()
        with module.work.autocast():
            encode_images(module.network.encoder, module.facts, images)
        times.append(time.monotonic() - before)
    return (labels + pairs) * min(times) / len(images)


def _too_large(wanted: int, fits: int | None, how: str) -> Costs:
    short = f"memory runs out at batch_size {wanted}"
    if fits is None or fits < 2:
        return Costs(advice=f"{short}, and not even a small batch fits: choose a smaller encoder or smaller images")
    return Costs(fits=fits, advice=f"{short}: {fits} {how}")


def spare_bytes(device: torch.device) -> int | None:
    """Memory that is free at the moment: of the GPU, else of the machine or this container; None where nothing tells."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    try:
        most, used = (int((CONTAINER / f"memory.{name}").read_text(encoding="ascii")) for name in ("max", "current"))
    except (OSError, ValueError):  # there is none, or it is not limited
        return free
    return min(free, most - used)


def _doubling(first: int, last: int) -> Iterator[int]:
    batch = first
    while batch < last:
        yield batch
        batch *= 2
    yield last
