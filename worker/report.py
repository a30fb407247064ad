"""Brings what a job tells into the catalogue: progress now and then, everything else at once."""

import time

from backend.catalogue.engine import Catalogue
from backend.jobs import store
from backend.jobs.timing import Timing
from simclr.events import AnyEvent, Event, Log, Progress

LOGS_KEPT = 2000  # a job that talks without end must not fill the catalogue


class Reporter:
    """Collects the events of one attempt. Of several progress events between two writes only the latest is kept."""

    def __init__(self, catalogue: Catalogue, job_id: str, epoch: int, timing: Timing) -> None:
        self._catalogue = catalogue
        self._job_id = job_id
        self._epoch = epoch
        self._timing = timing
        self._waiting: list[Event] = []
        self._is_urgent = False
        self._written_at = float("-inf")
        self._logs = 0

    def tell(self, event: AnyEvent) -> None:
        """Take an event, to be written when it is due."""
        if isinstance(event, Progress):
            self._waiting = [other for other in self._waiting if not isinstance(other, Progress)]
        elif isinstance(event, Log):
            self._logs += 1
            if self._logs > LOGS_KEPT:
                return
            if self._logs == LOGS_KEPT:
                event = Log(level="warning", message=f"This job has written {LOGS_KEPT} lines; the rest is left out.")
        self._is_urgent |= not isinstance(event, Progress)
        self._waiting.append(event)

    @property
    def is_empty(self) -> bool:
        return not self._waiting

    @property
    def is_due(self) -> bool:
        waited_s = time.monotonic() - self._written_at
        return bool(self._waiting) and (self._is_urgent or waited_s >= self._timing.progress_s)

    def write(self) -> bool:
        """Write what waits; False when the lease is lost. What cannot be written waits on.

        Raises:
            OperationalError: the catalogue cannot be written at the moment.
        """
        with self._catalogue.writing() as session:
            is_ours = store.progress(session, self._job_id, self._epoch, self._waiting, self._timing)
        self._waiting = []
        self._is_urgent = False
        self._written_at = time.monotonic()
        return is_ours
