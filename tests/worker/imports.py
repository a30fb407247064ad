"""The worker's slot for imports, driven by whoever tests, and reading in this process instead of a child for each archive."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.catalogue.engine import Catalogue
from backend.jobs import store
from backend.jobs.imports import remove_leftovers
from backend.jobs.order import Reach
from backend.jobs.states import Lane
from backend.jobs.timing import Timing
from simclr.datasets import DatasetInfo, importer, write_dataset
from simclr.datasets.builtin import draw_builtin
from simclr.datasets.download import Progress
from simclr.datasets.sources import SOURCES
from simclr.events import ShouldStop, Stopped
from tests.simclr.datasets.publisher import Publisher, serving
from tests.simclr.datasets.test_published import cifar10
from worker.importing import Importer, Reads, Sources
from worker.supervise import Attempt

IMPORTS = Reach(lanes=frozenset({Lane.IMPORT}))
CIFAR = "cifar-10-binary.tar.gz"
QUICK = Timing(lease_s=30.0, watch_s=0.01, progress_s=0.05)


def importer_here(sources: Sources, reads: Reads | None = None) -> Importer:
    """One that reads in this process and leaves reports to who asks for one: no child is started for each import."""
    return Importer(sources, reads or reads_here, lambda _folder, _should_stop: None, draws_here)


def do_imports(catalogue: Catalogue, data_folder: Path, does: Importer, timing: Timing = QUICK) -> int:
    """Do all imports that wait, as a worker does; how many these were."""
    done = 0
    while True:
        with catalogue.writing() as session:
            claim = store.claim(session, "importer", timing, IMPORTS)
        if claim is None:
            break
        Attempt(claim, does, catalogue, data_folder, timing).run(threading.Event())
        done += 1
    with catalogue.reading() as session:
        remove_leftovers(session, data_folder)
    return done


@contextmanager
def publishing_cifar10(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """CIFAR-10 with few images, under its sum, on a server of this machine."""
    cifar10(folder)
    data = (folder / CIFAR).read_bytes()
    source = SOURCES["cifar10"]
    file = replace(source.files[0], md5=hashlib.md5(data, usedforsecurity=False).hexdigest(), about_bytes=len(data))
    patch.setitem(SOURCES, "cifar10", replace(source, files=(file,)))
    with serving(Publisher({CIFAR: data})) as publisher:
        yield publisher


def draws_here(
    name: str, out: Path, _timeout_s: float, *, count: int | None, seed: int, limits: Any, progress: Progress,
    should_stop: ShouldStop,
) -> DatasetInfo:  # fmt: skip
    """What the child does; a wish to stop is heard whenever it tells how far it is."""

    def tell(done: int, total: int, /) -> None:
        progress(done, total)
        if should_stop():
            raise Stopped

    return write_dataset(draw_builtin(name, count, seed, progress=tell, limits=limits), out)


def reads_here(
    source: Path, out: Path, kind: str, image_size: int | None, _timeout_s: float, *, fit: str, originals_px: int,
    limits: Any, **_watched: Any,
) -> DatasetInfo:  # fmt: skip
    """What the child does, without its start and its limits on the process; those of the archive hold."""
    size = [] if image_size is None else ["--image-size", str(image_size)]
    arguments = [str(source), str(out), "--format", kind, "--fit", fit, "--originals-px", str(originals_px), *size]
    return importer._import(importer._options([*arguments, "--limits", limits.model_dump_json()]))
