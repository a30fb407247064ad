"""The one task, ``wake``, and what the worker process does around it when it starts and stops."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from celery import signals

from backend.catalogue.engine import Catalogue, Clock, database_clock, open_catalogue
from backend.catalogue.upgrade import upgrade
from backend.jobs.order import Reach
from backend.jobs.queue import WAKE, make_app
from backend.jobs.states import Lane
from backend.jobs.timing import Timing
from backend.settings import PREFIX, Settings
from worker.devices import variables
from worker.importing import Importer, sources_of
from worker.slot import Slot
from worker.warm import RUNNER

if TYPE_CHECKING:
    from celery import Celery


def assemble(
    settings: Settings, timing: Timing, *, clock: Clock = database_clock, runner_command: Sequence[str] = RUNNER
) -> "Celery":
    """The Celery app of a worker process.

    Raises:
        ValueError: no Redis is named, or the device cannot be.
    """
    if settings.redis_url is None:
        raise ValueError(f"a worker needs {PREFIX}REDIS_URL, such as redis://127.0.0.1:6379/0; 'simclr-lab up' sets it")
    variables(settings.device, os.environ)  # or it is refused here, where the launcher sees why
    app = make_app(settings.redis_url)
    catalogue = open_catalogue(settings, clock=clock)
    slots = list(_slots(settings, catalogue, timing, runner_command))

    def start(**_: Any) -> None:
        upgrade(catalogue.engine)
        for slot in slots:
            slot.open()

    def wake() -> None:
        for slot in slots:
            slot.ring()

    def drain(**_: Any) -> None:
        for slot in slots:
            slot.draining.set()

    def stop(**_: Any) -> None:
        for slot in slots:
            slot.close()
        catalogue.close()

    app.task(name=WAKE)(wake)
    # At init, not when the broker is reached: a worker without Redis still finds its jobs in the catalogue.
    signals.worker_init.connect(start, weak=False)
    # Runs inside a signal handler; everything else happens in the threads that see the flag.
    signals.worker_shutting_down.connect(drain, weak=False)
    signals.worker_shutdown.connect(stop, weak=False)
    return app


def _slots(settings: Settings, catalogue: Catalogue, timing: Timing, runner_command: Sequence[str]) -> Iterator[Slot]:
    """One for all that needs the device, and one for imports, so that neither waits for the other."""
    lanes = frozenset(Lane(lane) for lane in settings.lanes)
    if with_device := lanes - {Lane.IMPORT}:
        reach = Reach(with_device, settings.device)
        yield Slot(catalogue, settings.data_folder, timing, reach=reach, runner_command=runner_command)
    if Lane.IMPORT in lanes:
        sources = sources_of(settings)
        # Not every format tells how far its reading is.
        patient = replace(timing, stall_s=max(timing.stall_s, sources.most_s + timing.stop_grace_s))
        yield Slot(
            catalogue, settings.data_folder, patient, reach=Reach(frozenset({Lane.IMPORT})),
            start_runner=lambda: Importer(sources),
        )  # fmt: skip
