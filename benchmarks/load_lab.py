"""A real lab to put load on: Redis, API and, where asked, a worker, as the launcher starts them, on a data folder of its own."""

import contextlib
import os
import resource
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import select

from backend.catalogue.engine import Catalogue, open_catalogue
from backend.catalogue.models import WorkerRow
from backend.catalogue.upgrade import upgrade
from backend.jobs import store
from backend.jobs.states import Kind
from backend.lab import redis
from backend.lab.launcher import API_COMMAND, API_THREADS, is_healthy
from backend.lab.processes import Child
from backend.lab.workers import WORKER_COMMAND
from backend.settings import PREFIX, Settings
from benchmarks.squares import add_squares
from simclr.config import AugmentConfig

FILES = 8192  # open files that 1,000 clients and their server need
START_S = 120.0


@dataclass
class LoadLab:
    """The parts of a lab that runs; ``close`` is the business of ``running``."""

    settings: Settings
    catalogue: Catalogue
    environ: dict[str, str]
    redis: Child
    redis_folder: Path
    api: Child
    worker: Child | None
    dataset_id: str = ""
    http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx2.Client(
            base_url=self.address,
            headers={"authorization": f"Bearer {self.settings.access_token}"},
            timeout=30.0,
            trust_env=False,
        )

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    def cookie(self) -> str:
        """A new session's cookie, as a browser gets it."""
        answer = httpx2.post(
            f"{self.address}/api/session",
            json={"token": self.settings.access_token},
            headers={"origin": self.address},
            trust_env=False,
        )
        return str(answer.raise_for_status().headers["set-cookie"]).partition(";")[0]

    def rss_mib(self) -> float:
        """Memory of the API's own process, in MiB; its child that holds torch is not counted."""
        return memory_mib(self.api.pid or 0)

    def processor_s(self) -> float:
        """Processor time that the API's own process has used so far."""
        user, system = Path(f"/proc/{self.api.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def until_served(self) -> None:
        until(lambda: is_healthy(self.address), "the API")

    def until_warm(self) -> None:
        """Until the worker is ready for a job."""

        def warm() -> bool:
            with self.catalogue.reading() as session:
                return session.scalar(select(WorkerRow).where(WorkerRow.device.is_not(None))) is not None

        until(warm, "a warm worker")

    def submit(self, body: dict[str, Any]) -> str:
        answer = self.http.post("/api/jobs", json={"dataset_id": self.dataset_id, **body})
        return str(answer.raise_for_status().json()["id"])

    def claimed(self, count: int) -> list[store.Claim]:
        """``count`` jobs that run as far as the catalogue knows, so that events can be written as a worker writes them."""
        with self.catalogue.writing() as session:
            for _ in range(count):
                store.submit(session, store.Submission(Kind.PRETRAIN, self.dataset_id, {"epochs": 100}))
        claims = []
        with self.catalogue.writing() as session:
            while claim := store.claim(session, "benchmark"):
                claims.append(claim)
        return claims


@contextmanager
def running(*, worker: bool = False, api_command: list[str] | None = None) -> Iterator[LoadLab]:
    """Everything of it is gone afterwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, FILES)), hard))
    with ExitStack() as leaving:
        folder = Path(tempfile.mkdtemp(prefix="simclr-lab-load-"))
        leaving.callback(shutil.rmtree, folder, ignore_errors=True)
        redis_folder = redis.make_socket_folder(os.environ)
        leaving.callback(redis.forget_socket_folder, redis.address(redis_folder))
        settings = Settings(data=folder / "data", port=free_port(), redis_url=redis.address(redis_folder))
        data, logs = settings.data_folder, folder / "logs"
        logs.mkdir()
        environ = {
            **os.environ,
            f"{PREFIX}DATA": str(data),
            f"{PREFIX}PORT": str(settings.port),
            f"{PREFIX}REDIS_URL": redis.address(redis_folder),
            "PYTHONUNBUFFERED": "1",
        }
        catalogue = open_catalogue(settings)
        leaving.callback(catalogue.close)
        upgrade(catalogue.engine)
        lab = LoadLab(
            settings,
            catalogue,
            environ,
            redis.private_redis(redis_folder, data / "redis", logs, environ),
            redis_folder,
            Child("The API", api_command or API_COMMAND, {**environ, **API_THREADS}, logs / "api.log", grace_s=15.0),
            Child("The worker", WORKER_COMMAND, environ, logs / "worker.log", grace_s=30.0) if worker else None,
        )
        leaving.callback(lab.http.close)
        lab.dataset_id = add_squares(lab.catalogue, lab.settings.data_folder)
        for child in (lab.redis, lab.api, lab.worker):
            if child is not None:
                leaving.callback(child.stop)
                child.start()
        lab.until_served()
        if worker:
            lab.until_warm()
        until_quiet(lab)
        yield lab


def until_quiet(lab: LoadLab) -> None:
    """Until the child that computes views has imported torch: it would take a core from the first seconds of a measurement."""

    def sees() -> bool:
        asked = {"dataset_id": lab.dataset_id, "indices": [0], "config": AugmentConfig().model_dump(mode="json")}
        answer = lab.http.post("/api/augmentations/preview", json=asked)
        return answer.status_code != httpx2.codes.SERVICE_UNAVAILABLE and bool(answer.raise_for_status())

    until(sees, "the child that computes views")


def memory_mib(pid: int) -> float:
    with contextlib.suppress(FileNotFoundError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0.0


def until(condition: Any, what: str, within_s: float = START_S) -> Any:
    """The first true value of ``condition``; ends the program, naming ``what`` did not come, when there is none in time."""
    deadline = time.monotonic() + within_s
    while True:
        with contextlib.suppress(httpx2.TransportError):
            if value := condition():
                return value
        if time.monotonic() > deadline:
            sys.exit(f"not within {within_s:g} s: {what}")
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
