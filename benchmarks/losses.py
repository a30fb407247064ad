"""NT-Xent forwards and backwards beside the peers' on the same features: time, and memory beyond the features.

Time is the median of repeats in this process, with all usable cores for each contender. Memory is what the system saw: every
figure comes from a fresh process that first does the same at a small size, so that code and thread buffers are loaded, then
resets its high-water mark, does it once, and reports the mark (VmHWM) less what was resident before. Linux only.
"""

import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.table import OURS, Row, in_turns
from simclr.cores import usable_cores

TEMPERATURE = 0.2
D = 128
SIZES = (128, 1024, 4096)
# pytorch-metric-learning compares every positive pair with every negative: 8N³ floats, 34 GB at N = 1024.
LARGEST_OF_METRIC_LEARNING = 128
REPEATS_S, LEAST_REPEATS = 1.0, 3

Loss = Callable[[Tensor, Tensor], Tensor]


def ours() -> Loss:
    from simclr.loss import nt_xent

    return lambda first, second: nt_xent(first, second, TEMPERATURE)


def lightly() -> Loss:
    from lightly.loss.ntx_ent_loss import NTXentLoss

    loss: Loss = NTXentLoss(temperature=TEMPERATURE)
    return loss


def plain() -> Loss:
    """The whole matrix, each step written as economically as autograd allows."""

    def loss(first: Tensor, second: Tensor) -> Tensor:
        scaled = functional.normalize(torch.cat((first, second)), dim=1) / math.sqrt(TEMPERATURE)
        similarity = scaled @ scaled.T
        similarity.fill_diagonal_(-math.inf)
        partner = (scaled[: len(first)] * scaled[len(first) :]).sum(dim=1)
        return similarity.logsumexp(dim=1).mean() - partner.mean()

    return loss


def solo_learn() -> Loss:
    """solo-learn's convention: exponentials of all views by all, with positives and negatives masked by images' indexes."""

    def loss(first: Tensor, second: Tensor) -> Tensor:
        views = functional.normalize(torch.cat((first, second)), dim=1)
        image = torch.arange(len(first)).repeat(2)
        exponentials = torch.exp(views @ views.T / TEMPERATURE)
        same = image[:, None] == image
        positives = (exponentials * (same & ~torch.eye(len(views), dtype=torch.bool))).sum(dim=1)
        negatives = (exponentials * ~same).sum(dim=1)
        return -torch.log(positives / (positives + negatives)).mean()

    return loss


def metric_learning() -> Loss:
    loss = import_module("pytorch_metric_learning.losses").NTXentLoss(temperature=TEMPERATURE)
    return lambda first, second: loss(torch.cat((first, second)), torch.arange(len(first)).repeat(2))


CONTENDERS: dict[str, Callable[[], Loss]] = {
    OURS: ours,
    "lightly": lightly,
    "plain, whole matrix": plain,
    "solo-learn's convention": solo_learn,
    "pytorch-metric-learning": metric_learning,
}


def rows(turns: int) -> list[Row]:
    """Time and memory at each size; pytorch-metric-learning where it is installed and fits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(usable_cores())
    try:
        return [row for n in SIZES for row in (_time_row(n, turns), _memory_row(n, turns))]
    finally:
        torch.set_num_threads(threads)


def contenders(n: int) -> list[str]:
    """Names of those that can be measured at ``n`` pairs here."""
    third = find_spec("pytorch_metric_learning") is not None and n <= LARGEST_OF_METRIC_LEARNING
    return [name for name in CONTENDERS if third or name != "pytorch-metric-learning"]


def milliseconds(loss: Loss, n: int) -> float:
    """Median time of a forward and backward pass, after one to warm up."""
    first, second = features(n)
    step(loss, first, second)
    times: list[float] = []
    while len(times) < LEAST_REPEATS or sum(times) < REPEATS_S:
        began = time.perf_counter()
        step(loss, first, second)
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def peak_mib(name: str, n: int) -> float:
    """Memory beyond the features and what was loaded, from a fresh process."""
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.losses", name, str(n)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(told.stdout.split()[-1])


def tell_peak(name: str, n: int) -> None:
    """What ``peak_mib`` runs: print the MiB that one pass adds at most."""
    torch.set_num_threads(usable_cores())
    loss = CONTENDERS[name]()
    step(loss, *features(64))
    first, second = features(n)
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM to what is resident
    before = resident_kib("VmRSS")
    step(loss, first, second)
    print((resident_kib("VmHWM") - before) / 1024)


def resident_kib(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))


def features(n: int) -> tuple[Tensor, Tensor]:
    first, second = torch.randn(2, n, D, generator=torch.Generator().manual_seed(0))
    return first.requires_grad_(), second.requires_grad_()


def step(loss: Loss, first: Tensor, second: Tensor) -> None:
    torch.autograd.grad(loss(first, second), (first, second))


def _time_row(n: int, turns: int) -> Row:
    measures = {name: partial(milliseconds, CONTENDERS[name](), n) for name in contenders(n)}
    return in_turns(f"NT-Xent of {n:,} pairs, d = {D}", "ms", measures, turns, higher_is_better=False)


def _memory_row(n: int, turns: int) -> Row:
    measures = {name: partial(peak_mib, name, n) for name in contenders(n)}
    return in_turns(f"NT-Xent of {n:,} pairs, peak memory", "MiB", measures, turns, higher_is_better=False)


def main() -> None:
    """All rows on the terminal, or one memory figure for ``peak_mib``."""
    if len(sys.argv) == 3:
        tell_peak(sys.argv[1], int(sys.argv[2]))
        return
    for row in rows(turns=3):
        print(*row.lines(), sep="\n", flush=True)


if __name__ == "__main__":
    main()
