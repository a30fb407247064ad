"""A place for one job at a time: works off the queue, keeps a warm runner, sweeps, and says that the worker is alive."""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from backend.catalogue.engine import Catalogue
from backend.jobs import presence, store
from backend.jobs.imports import remove_leftovers
from backend.jobs.order import UNPINNED, Reach
from backend.jobs.presence import Presence
from backend.jobs.states import Kind
from backend.jobs.sweeper import sweep
from backend.jobs.timing import Timing
from worker.dry_run import do_asked
from worker.supervise import Attempt
from worker.warm import RUNNER, Runs, WarmRunner

log = logging.getLogger(__name__)

TICK_S = 0.25


class Slot:
    """A worker process has one for work that needs a device, and one for imports. Whoever learns of jobs rings: the bell, or the
    slot's own keeper thread.

    ``reach`` is what it was given: queues to take jobs from, and a device, None for what its runner finds. Its jobs are done by
    what ``start_runner`` makes, by default a warm runner's process.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        data_folder: Path,
        timing: Timing,
        *,
        reach: Reach = UNPINNED,
        runner_command: Sequence[str] = RUNNER,
        start_runner: Callable[[], Runs] | None = None,
    ) -> None:
        self.draining = threading.Event()
        self._catalogue = catalogue
        self._data_folder = data_folder
        self._timing = timing
        self._given = reach
        self._start = start_runner or (lambda: WarmRunner(runner_command, reach.device))
        host = socket.gethostname()
        self._who = Presence(owner=f"{host}-{os.getpid()}-{secrets.token_hex(3)}", host=host, pid=os.getpid())
        self._taken = threading.Lock()
        self._rung = threading.Event()
        self._runner: Runs | None = None
        self._started_at = float("-inf")
        self._looked_at = float("-inf")
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def open(self) -> None:
        """Start the runner and the keeper thread."""
        self._start_runner()
        self._keeper.start()

    def ring(self) -> None:
        """Have somebody look for jobs, and return at once: who works here already looks again before leaving."""
        self._rung.set()
        if not self._taken.locked():
            threading.Thread(target=self._answer, name="helper", daemon=True).start()

    def work(self) -> None:
        """Do jobs until none waits. Returns at once when the worker is being stopped."""
        while not self._taken.acquire(timeout=TICK_S):
            if self.draining.is_set():
                return
        self._work_and_leave()

    def _answer(self) -> None:
        if self._taken.acquire(blocking=False):
            self._work_and_leave()

    def _work_and_leave(self) -> None:
        is_called_back = True
        while is_called_back:
            try:
                self._work()
            finally:
                self._taken.release()
            # Between the last look and the release somebody may have rung.
            is_called_back = self._rung.is_set() and self._taken.acquire(blocking=False)

    def _work(self) -> None:
        self._rung.clear()
        while not self.draining.is_set() and (self._do_next() or self._do_dry_run()):
            self._rung.clear()

    def close(self) -> None:
        """Give back the running job, end the runner, and say goodbye."""
        self.draining.set()
        self._keeper.join()
        with self._taken:  # whoever works in it sees the drain and comes out
            if self._runner is not None:
                self._runner.close()
        with self._catalogue.writing() as session:
            presence.say_goodbye(session, self._who)

    def _do_next(self) -> bool:
        runner = self._wait_for_runner()
        if runner is None:
            return False
        with self._catalogue.writing() as session:
            here = self._present()
            presence.say_alive(session, here)  # so that the job can say where it runs
            claim = store.claim(session, here.owner, self._timing, here.reach)
        if claim is None:
            return False
        log.info("Job %s, attempt %d.", claim.job_id, claim.epoch)
        Attempt(claim, runner, self._catalogue, self._data_folder, self._timing).run(self.draining)
        if claim.kind is Kind.IMPORT:
            self._tidy_imports()
        return True

    def _do_dry_run(self) -> bool:
        runner = self._wait_for_runner()
        if not isinstance(runner, WarmRunner):
            return False
        return do_asked(runner, self._catalogue, self._data_folder, self._present().reach, self.draining)

    def _wait_for_runner(self) -> Runs | None:
        """A runner that is ready; None once the worker is being stopped. A job is claimed only when it can start."""
        while not self.draining.is_set():
            runner = self._runner
            if runner is not None and runner.is_alive and runner.wait_ready(TICK_S):
                return runner
            self.draining.wait(TICK_S)
        return None

    def _keep(self) -> None:
        while not self.draining.wait(TICK_S):
            try:
                self._replace_dead_runner()
                if time.monotonic() - self._looked_at >= self._timing.sweep_s:
                    self._look_around()
                    self._looked_at = time.monotonic()
            except SQLAlchemyError:
                log.exception("The catalogue could not be kept; trying again.")
            except OSError as error:
                log.warning("No runner could be started: %s", error)

    def _look_around(self) -> None:
        """A sign of life, a sweep, and jobs for which the bell was not heard."""
        with self._catalogue.writing() as session:
            here = self._present()
            presence.say_alive(session, here)
            presence.forget_silent(session, self._timing)
            swept = sweep(session, self._timing, here.reach)
        if swept.requeued or swept.ended:
            log.warning("Lapsed leases: %d jobs queued again, %d ended.", swept.requeued, swept.ended)
        if swept.ended:
            self._tidy_imports()
        if swept.waiting and not self._taken.locked():
            self.ring()

    def _tidy_imports(self) -> None:
        with self._catalogue.reading() as session:
            remove_leftovers(session, self._data_folder)

    def _present(self) -> Presence:
        runner = self._runner
        name = runner.device_name if runner is not None else None
        reach = replace(self._given, device=name)
        return replace(self._who, reach=reach, device=runner.device if runner is not None else None)

    def _replace_dead_runner(self) -> None:
        if self._runner is not None and self._runner.is_alive:
            return
        if time.monotonic() - self._started_at >= self._timing.restart_s:
            if self._runner is not None:
                log.warning("The runner is gone and is started again. Its last words: %s", self._runner.last_words())
                self._runner.close()
            self._start_runner()

    def _start_runner(self) -> None:
        self._started_at = time.monotonic()
        self._runner = self._start()
