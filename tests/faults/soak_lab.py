"""The soak's lab: beside the parts of the fault tests a real API process, one worker or two, and patience with all of them."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
from sqlalchemy import select

from backend.catalogue.models import JobRow, WorkerRow
from backend.jobs.states import State
from backend.settings import PREFIX
from tests.faults.lab import Lab, Worker
from tests.worker.waiting import children_of, until

MARK = "SIMCLR_SOAK"  # in the environment of all that a soak starts; no setting, so the runner inherits it too
# A storm of faults is not a job's own doing: the rule that ends poisonous jobs has its own test.
PATIENCE: dict[str, float] = {"crashes_allowed": 1000, "attempts_allowed": 1000}
SERVED_AGAIN_S = 90.0  # within which the API must take a request again, whatever was done to it
AT_WORK_S = 120.0  # within which a waiting job must be at work: a lapsed lease, and two starts of a worker


class Violation(AssertionError):
    """The lab broke a promise."""


class Family(NamedTuple):
    """The processes at work on a running job."""

    job_id: str
    worker: Worker
    runner: int
    process: int


class SoakLab(Lab):
    """``wanted`` workers are kept alive by ``tend``; requests are repeated while the API is away or the catalogue is locked."""

    rest_s = 0.0

    def __init__(self, folder: Path, sockets: Path) -> None:
        super().__init__(folder / "data", sockets)
        self.settings = self.settings.model_copy(update={"port": free_port()})
        self.wanted = 1
        self.frozen: set[int] = set()
        self.refused_busy = 0
        self._api_log = folder / "api.log"
        self._starting = threading.RLock()
        self.start_api()
        self.http = httpx2.Client(
            base_url=f"http://127.0.0.1:{self.settings.port}",
            headers={"authorization": f"Bearer {self.settings.access_token}"},
            timeout=httpx2.Timeout(30.0),
            trust_env=False,
        )

    @property
    def api(self) -> "SoakLab":  # type: ignore[override]
        return self

    def start_api(self) -> None:
        environ = {
            **os.environ,
            f"{PREFIX}DATA": str(self.data),
            f"{PREFIX}PORT": str(self.settings.port),
            f"{PREFIX}REDIS_URL": str(self.settings.redis_url),
        }
        with self._api_log.open("ab") as log:
            command = [sys.executable, "-m", "backend.app"]
            self.server = subprocess.Popen(command, env=environ, stdout=log, stderr=log)

    def get(self, path: str) -> httpx2.Response:
        return self._patiently("GET", path)

    def post(self, path: str, json: Any = None, headers: dict[str, str] | None = None) -> httpx2.Response:
        return self._patiently("POST", path, json=json, headers=headers)

    def _patiently(self, method: str, path: str, **content: Any) -> httpx2.Response:
        deadline = time.monotonic() + SERVED_AGAIN_S
        while True:
            try:
                answer = self.http.request(method, path, **content)
            except httpx2.TransportError as error:
                problem = repr(error)
            else:
                if answer.status_code != 503:
                    if answer.is_server_error:
                        raise Violation(f"{method} {path} was answered {answer.status_code}: {answer.text[:300]}")
                    return answer
                self.refused_busy += 1
                problem = answer.text[:300]
            if time.monotonic() > deadline:
                raise Violation(f"{method} {path} was not answered for {SERVED_AGAIN_S:g} s: {problem}")
            time.sleep(0.1)

    def launch(self, **timing: float) -> Worker:
        return super().launch(**PATIENCE | timing)

    def living(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.poll() is None]

    def tend(self) -> None:
        """Start what is missing."""
        with self._starting:
            for _ in range(self.wanted - len(self.living())):
                self.launch()
            if self.server.poll() is not None:
                self.start_api()

    def at_work(self) -> list[Family]:
        """Jobs that a process works on at this moment, the oldest first; not those of a frozen worker."""
        with self.catalogue.reading() as session:
            rows = session.execute(
                select(JobRow.id, WorkerRow.pid)
                .join(WorkerRow, WorkerRow.id == JobRow.owner)
                .where(JobRow.state == State.RUNNING)
                .order_by(JobRow.id)
            ).all()
        workers = {worker.pid: worker for worker in self.living() if worker.pid not in self.frozen}
        return [
            Family(job_id, workers[pid], runner, process)
            for job_id, pid in rows
            if pid in workers
            for runner in children_of(pid)
            for process in children_of(runner)
        ]

    def some_at_work(self) -> list[Family]:
        """The same, once there are any."""

        def found() -> list[Family]:
            self.tend()
            return self.at_work()

        return self.must(found, "no job was at work, though some wait", AT_WORK_S)

    def must(self, condition: Callable[[], Any], complaint: str, within_s: float) -> Any:
        """The first true value of ``condition``."""
        try:
            return until(condition, complaint, within_s=within_s)
        except AssertionError as late:
            raise Violation(f"{complaint} ({late})") from None

    def close(self) -> None:
        self.http.close()
        self.server.kill()
        self.server.wait()
        super().close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def marked() -> Iterator[tuple[int, str]]:
    """Living processes that this soak started, with their command; those that cannot be read are not ours."""
    wanted = f"{MARK}={os.environ[MARK]}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_ours = wanted in (process / "environ").read_bytes().split(b"\0")
            if is_ours and int(process.name) != os.getpid():
                yield int(process.name), (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:120]
