"""Small image sets and a large one, and threads that do not fight over busy cores."""

import fcntl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from simclr.datasets import Dataset
from simclr.events import AnyEvent, Checkpoint, Evaluation, Log, Progress

SHARED_DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tensors this small gain nothing from threads, and on busy cores threads wait for each other."""
    # Imported here: who only takes a set from this module needs no torch.
    import torch

    torch.set_num_threads(1)


MEASURED_IMPORT = """\
import resource, subprocess, sys
subprocess.run([sys.executable, '-m', 'simclr.datasets.importer', *sys.argv[1:], '--format', 'zip'], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.fixture(scope="session")
def cifar10(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The folder of CIFAR-10, imported once for all processes that test.

    ``import.txt`` in it holds what the importer said and its peak memory in KiB, which a small process between has measured: a
    child's peak counts what the process held that forked it.
    """
    source = SHARED_DATA / "cifar10.zip"
    if not source.exists():
        pytest.skip(f"{source} is not here: it is not shipped with the program")
    base = tmp_path_factory.getbasetemp()
    is_one_of_many = hasattr(request.config, "workerinput")
    folder = (base.parent if is_one_of_many else base) / "cifar10"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = folder / "import.txt"
        if not said.exists():
            command = [sys.executable, "-c", MEASURED_IMPORT, source, folder]
            answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            said.write_text(answer, encoding="utf-8")
    return folder


def striped(n: int = 96, *, channels: int = 3, size_px: int = 8, labelled: bool = True, seed: int = 0) -> Dataset:
    """Two classes, stripes across and stripes along, in random colours with noise; half train, a quarter each val and test."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    stripes = np.where(np.arange(size_px) % 4 < 2, 1.0, 0.0)
    along = np.broadcast_to(stripes, (size_px, size_px))
    figure = np.where((labels == 1)[:, None, None], along, along.T)[:, None]
    colour = random.uniform(80, 200, (n, channels, 1, 1))
    images = np.clip(figure * colour + random.uniform(0, 50, (n, channels, size_px, size_px)), 0, 255)
    return Dataset(
        images=images.astype(np.uint8),
        labels=labels.astype(np.int64) if labelled else np.full(n, -1, np.int64),
        splits=np.repeat([0, 1, 2], [n // 2, n // 4, n - n // 2 - n // 4]).astype(np.uint8),
        classes=("across", "along") if labelled else (),
        source="stripes made by a test",
    )


@pytest.fixture
def stripes() -> Dataset:
    return striped()


class Heard(list[AnyEvent]):
    """An ``Emit`` that remembers."""

    def __call__(self, event: AnyEvent, /) -> None:
        self.append(event)

    @property
    def messages(self) -> str:
        return "\n".join(event.message for event in self if isinstance(event, Log))

    @property
    def progress(self) -> list[Progress]:
        return [event for event in self if isinstance(event, Progress)]

    @property
    def evaluations(self) -> list[Evaluation]:
        return [event for event in self if isinstance(event, Evaluation)]

    @property
    def checkpoints(self) -> list[Checkpoint]:
        return [event for event in self if isinstance(event, Checkpoint)]


@pytest.fixture
def heard() -> Heard:
    return Heard()


def stop_after(asked: int) -> Callable[[], bool]:
    """A ``ShouldStop`` that says yes from the ``asked``-th time on (from 0)."""
    times = iter(range(10**9))
    return lambda: next(times) >= asked
