"""Does to the lab what a schedule says; what takes a while goes on in the background, so that faults meet each other."""

import contextlib
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from backend.jobs.queue import Bell
from backend.jobs.states import State
from tests.faults.soak_jobs import Jobs
from tests.faults.soak_lab import Family, SoakLab, Violation
from tests.faults.soak_schedule import Fault, Harm

DRAINED_S = 45.0  # the promise is 30; here a catalogue may be locked, or a neighbour frozen over its lock, meanwhile
API_STOPS_S = 20.0
PAUSED_S = 60.0
WAKE_UPS = 20
AT_ONCE = 5


class Harmer:
    """``do`` returns what was done in words, once it is done or under way; ``join`` waits for all that is under way."""

    def __init__(self, lab: SoakLab, jobs: Jobs) -> None:
        self._lab, self._jobs = lab, jobs
        self._threads: list[threading.Thread] = []
        self._problems: list[BaseException] = []
        self._redis, self._lock = threading.Lock(), threading.Lock()
        self._does: dict[Harm, Callable[[float], str]] = {
            Harm.KILL_JOB: self.kill_job,
            Harm.KILL_RUNNER: self.kill_runner,
            Harm.KILL_WORKER: self.kill_worker,
            Harm.FREEZE_WORKER: self.freeze_worker,
            Harm.KILL_REDIS: self.kill_redis,
            Harm.FLUSH_REDIS: self.flush_redis,
            Harm.LOCK: self.lock,
            Harm.DRAIN: self.drain,
            Harm.TRUNCATE: self.truncate,
            Harm.PAUSE: self.pause,
            Harm.WAKE: self.wake,
            Harm.RESTART_API: self.restart_api,
            Harm.SECOND_WORKER: self.second_worker,
            Harm.RESUBMIT: self.resubmit,
        }

    def do(self, fault: Fault) -> str:
        self.raise_problems()
        return self._does[fault.harm](fault.force)

    def raise_problems(self) -> None:
        if self._problems:
            raise self._problems[0]

    def join(self) -> None:
        for thread in self._threads:
            thread.join(timeout=120)
            if thread.is_alive():
                raise Violation(f"{thread.name} did not come to an end within 120 s")
        self._threads.clear()
        self.raise_problems()

    def _meanwhile(self, what: str, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  raised again by the next fault
                self._problems.append(error)

        thread = threading.Thread(target=guarded, name=what, daemon=True)
        self._threads.append(thread)
        thread.start()

    # Processes

    def kill_job(self, force: float) -> str:
        family = self._pick(force)
        kill(family.process)
        return f"job {family.job_id}"

    def kill_runner(self, force: float) -> str:
        family = self._pick(force)
        kill(family.runner)
        return f"job {family.job_id}"

    def kill_worker(self, force: float) -> str:
        family = self._pick(force)
        family.worker.kill()
        family.worker.wait()
        self._lab.tend()
        return f"job {family.job_id}"

    def freeze_worker(self, force: float) -> str:
        """With a raw SIGSTOP, so also in the middle of a write: then everybody waits until it thaws."""
        family, for_s = self._pick(force), 1.0 + 8.0 * force
        worker = family.worker
        os.kill(worker.pid, signal.SIGSTOP)
        self._lab.frozen.add(worker.pid)

        def thaw() -> None:
            time.sleep(for_s)
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGCONT)
            self._lab.frozen.discard(worker.pid)

        self._meanwhile("a thaw", thaw)
        return f"job {family.job_id}, {for_s:.1f} s"

    def drain(self, force: float) -> str:
        family = self._pick(force)
        worker = family.worker
        worker.terminate()

        def leave() -> None:
            self._lab.must(lambda: worker.poll() is not None, "a worker that was told to stop did not end", DRAINED_S)
            if worker.returncode not in (0, -signal.SIGKILL):  # another fault may have killed it meanwhile
                raise Violation(f"a worker that was told to stop ended with code {worker.returncode}; {self._lab.log}")
            self._lab.tend()

        self._meanwhile("a drain", leave)
        return f"job {family.job_id}"

    def second_worker(self, _force: float) -> str:
        if self._lab.wanted == 1:
            self._lab.wanted = 2
            self._lab.tend()
            return "comes"
        self._lab.wanted = 1
        if first := [worker for worker in self._lab.living() if worker.pid not in self._lab.frozen][:1]:
            first[0].terminate()
        return "first one goes"

    def restart_api(self, force: float) -> str:
        server = self._lab.server
        if force < 0.5:
            server.kill()
            server.wait()
        else:
            server.terminate()
            self._lab.must(lambda: server.poll() is not None, "the API did not stop when it was told to", API_STOPS_S)
        self._lab.tend()
        return "killed" if force < 0.5 else "told to stop"

    # What they share

    def kill_redis(self, force: float) -> str:
        down_s = 3.0 * force

        def come_back() -> None:
            try:
                time.sleep(down_s)
                self._lab.start_redis()
            finally:
                self._redis.release()

        self._redis.acquire(timeout=30)
        self._lab.kill_redis()
        self._meanwhile("a start of Redis", come_back)
        return f"{down_s:.1f} s"

    def flush_redis(self, _force: float) -> str:
        with self._redis:
            self._lab.flush_redis()
        return ""

    def wake(self, _force: float) -> str:
        bell = Bell(self._lab.settings.redis_url)
        return f"{sum(bell.ring() for _ in range(WAKE_UPS))} heard"

    def lock(self, force: float) -> str:
        for_s = 0.5 + 6.0 * force

        def hold() -> None:
            with self._lock:
                for _ in range(10):  # a frozen worker may hold it
                    with contextlib.suppress(sqlite3.OperationalError), self._lab.locked():
                        time.sleep(for_s)
                        return
            raise Violation("the catalogue's lock was not to be had for 50 s")

        self._meanwhile("a lock", hold)
        return f"{for_s:.1f} s"

    def truncate(self, force: float) -> str:
        """And kill the job, so that its next attempt meets the damaged file."""

        def damage() -> str | None:
            for family in self._lab.some_at_work():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(family.process, signal.SIGSTOP)  # so that no later checkpoint comes
                    told = self._lab.job(family.job_id).progress or {}
                    saved = self._lab.checkpoints(family.job_id)[:1]
                    # The last state of a training stays for good: to damage it would be a loss, not a fault to survive.
                    if saved and saved[0].step < told.get("steps", 0):
                        path = self._lab.data / saved[0].key
                        with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
                            file.truncate(int(force * path.stat().st_size))
                            kill(family.process)
                            return f"job {family.job_id}, step {saved[0].step}"
                    os.kill(family.process, signal.SIGCONT)
            return None

        return str(self._lab.must(damage, "no job at work had a checkpoint", 120.0))

    # What people do

    def pause(self, force: float) -> str:
        job_id = self._pick(force).job_id
        answer = self._lab.post(f"/api/jobs/{job_id}/pause")
        if answer.status_code == 409:
            return f"job {job_id}, which was over"

        def resume() -> None:
            paused = (State.PAUSED, State.SUCCEEDED)
            self._lab.must(
                lambda: self._lab.job(job_id).state in paused, f"job {job_id} was asked to pause and did not", PAUSED_S
            )
            time.sleep(2 * force)
            answer = self._lab.post(f"/api/jobs/{job_id}/resume")
            if answer.is_error and self._lab.job(job_id).state != State.SUCCEEDED:
                raise Violation(f"job {job_id} could not be resumed: {answer.text}")

        self._meanwhile("a pause", resume)
        return f"job {job_id}"

    def resubmit(self, _force: float) -> str:
        asked = self._jobs.invent()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            ids = set(pool.map(lambda _: self._jobs.send(asked), range(AT_ONCE)))
        if len(ids) != 1:
            raise Violation(f"one key made {len(ids)} jobs: {', '.join(sorted(ids))}")
        return f"job {ids.pop()}"

    def _pick(self, force: float) -> Family:
        found = self._lab.some_at_work()
        return found[int(force * len(found))]


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
