"""A lab of real parts to do harm to: Redis, Celery workers, training, catalogue and API, each of which a test may end."""

import contextlib
import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import select
from starlette.testclient import TestClient

from backend.app import create_app
from backend.catalogue import queries
from backend.catalogue.engine import open_catalogue
from backend.catalogue.models import CheckpointRow, EncoderRow, EventRow, JobRow, WorkerRow
from backend.catalogue.upgrade import upgrade
from backend.jobs.invariants import violations
from backend.jobs.states import State
from backend.settings import PREFIX, Settings
from backend.vision import Vision
from benchmarks.squares import add_squares
from simclr.config import EncoderConfig, PretrainConfig
from simclr.runs import sha256_of
from tests.backend.api.blind import BLIND
from tests.backend.api.lab import ORIGIN
from tests.faults.app import OVERRIDES
from tests.faults.runner import REST
from tests.worker.redis_server import executable
from tests.worker.waiting import all_stand_still, children_of, is_running, until

Worker = subprocess.Popen[bytes]
# Where it is set and nobody has compiled torch before, every start of a worker costs 13 s of a core instead of 5.
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
# 32 steps, 4 an epoch, before each of which it rests: 4 s at least, time enough for harm after its first checkpoint.
TRAINING = PretrainConfig(
    epochs=8, batch_size=16, knn_every=4, projection_width=16, projection_dim=8,
    encoder=EncoderConfig(architecture="resnet8", width=8),
)  # fmt: skip
BRIEF = TRAINING.model_copy(update={"epochs": 3})
SECONDS = 120.0  # a test waits no longer than so many for anything


class Lab:
    """Everything in one folder, with a short path for Redis' socket; ``close`` leaves no process behind."""

    rest_s = 0.12  # before every step

    def __init__(
        self,
        data: Path,
        sockets: Path,
        *,
        database_url: str | None = None,
        dataset_id: str | None = None,
        references: Path | None = None,
    ) -> None:
        """A new lab; with ``dataset_id``, which it holds, one that is there already, as the first program to start finds it.

        Labs with the same images, also of other processes, may share the folder ``references``.
        """
        self.socket = sockets / "redis.sock"
        self.settings = Settings(data=data, redis_url=f"redis+socket://{self.socket}", database_url=database_url)
        self.data = self.settings.data_folder
        self.catalogue = open_catalogue(self.settings)
        if dataset_id is None:
            upgrade(self.catalogue.engine)
            dataset_id = add_squares(self.catalogue, self.data)
        self.dataset_id = dataset_id
        self.workers: list[Worker] = []
        self.perhaps_deaf: list[Worker] = []  # those that were there when Redis was killed
        self.log = data.parent / "workers.log"
        self.references = references or data.parent / "references"
        self.references.mkdir(exist_ok=True)
        self.start_redis()

    # Parts

    def start_redis(self) -> None:
        command = [executable(), "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir"]
        self.redis = subprocess.Popen([*command, str(self.socket.parent)], stdout=subprocess.DEVNULL)
        until(self._redis_answers, "Redis")

    def kill_redis(self) -> None:
        self.perhaps_deaf = list(self.workers)
        self.redis.kill()
        self.redis.wait()

    def flush_redis(self) -> None:
        with redis.Redis(unix_socket_path=str(self.socket)) as client:
            client.flushall()

    def _redis_answers(self) -> bool:
        with redis.Redis(unix_socket_path=str(self.socket)) as client, contextlib.suppress(redis.RedisError):
            return bool(client.ping())
        return False

    def launch(self, **timing: float) -> Worker:
        """Start a worker without waiting for it."""
        command = [sys.executable, "-m", "celery", "-A", "tests.faults.app", "worker", "-P", "threads", "-c", "1"]
        with self.log.open("ab") as log:
            worker = subprocess.Popen(
                [*command, "--without-gossip", "--without-mingle", "--loglevel", "INFO"],
                env={
                    **{name: value for name, value in os.environ.items() if name != NO_BYTECODE},
                    f"{PREFIX}DATA": str(self.data),
                    f"{PREFIX}REDIS_URL": str(self.settings.redis_url),
                    f"{PREFIX}DATABASE_URL": self.settings.catalogue_url,
                    OVERRIDES: json.dumps(timing),
                    REST: str(self.rest_s),
                    "CELERY_WORKER": "yes",
                    "OMP_NUM_THREADS": "1",
                },
                stdout=log,
                stderr=log,
            )
        self.workers.append(worker)
        return worker

    def start_worker(self) -> Worker:
        """Start a worker that is ready for a job."""
        worker = self.launch()
        self.until_warm(worker)
        return worker

    def until_warm(self, worker: Worker) -> None:
        def warm() -> bool:
            assert worker.poll() is None, f"the worker ended; see {self.log}"
            with self.catalogue.reading() as session:
                mine = select(WorkerRow).where(WorkerRow.pid == worker.pid, WorkerRow.device.is_not(None))
                return session.scalar(mine) is not None

        until(warm, "a warm runner", within_s=SECONDS)

    def a_worker(self) -> Worker:
        """The worker that is there; started where there is none."""
        living = [worker for worker in self.workers if worker.poll() is None]
        return living[0] if living else self.start_worker()

    def end(self, worker: Worker) -> None:
        """Make sure that a worker is gone, frozen or not, and all below it."""
        below = [pid for runner in children_of(worker.pid) for pid in (runner, *children_of(runner))]
        worker.kill()
        worker.wait()
        until(lambda: not any(map(is_running, below)), "the end of what a worker started")

    def close(self) -> None:
        if "api" in vars(self):
            self.api.__exit__(None, None, None)
        for worker in self.workers:
            self.end(worker)
        self.kill_redis()
        self.catalogue.close()

    @cached_property
    def api(self) -> TestClient:
        """The real application on this lab's catalogue, for somebody signed in."""
        app = create_app(self.settings, self.data / "no pages", Vision(BLIND))
        client = TestClient(app, base_url=ORIGIN, headers={"origin": ORIGIN})
        client.__enter__()  # the lifespan runs until the tests end
        assert client.post("/api/session", json={"token": self.settings.access_token}).status_code == 204
        return client

    # Jobs

    def submit(self, config: PretrainConfig = TRAINING, key: str | None = None, dataset_id: str | None = None) -> str:
        """Through the API, as a person does; on the squares if nothing else is said."""
        dataset_id = dataset_id or self.dataset_id
        asked = {"kind": "pretrain", "dataset_id": dataset_id, "config": config.model_dump(mode="json")}
        answer = self.api.post("/api/jobs", json=asked, headers={"idempotency-key": key} if key else {})
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()["id"])

    def ask(self, job_id: str, wish: str, **body: int) -> dict[str, Any]:
        answer = self.api.post(f"/api/jobs/{job_id}/{wish}", json=body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def told(self, job_id: str) -> dict[str, Any]:
        """What the API says of a job."""
        found: dict[str, Any] = self.api.get(f"/api/jobs/{job_id}").json()
        return found

    def job(self, job_id: str) -> JobRow:
        with self.catalogue.reading() as session:
            return session.get_one(JobRow, job_id)

    def checkpoints(self, job_id: str) -> Sequence[CheckpointRow]:
        """The newest first."""
        rows = select(CheckpointRow).where(CheckpointRow.job_id == job_id).order_by(CheckpointRow.step.desc())
        with self.catalogue.reading() as session:
            return session.scalars(rows).all()

    def events(self, job_id: str) -> Sequence[EventRow]:
        with self.catalogue.reading() as session:
            return queries.events_after(session, job_id, 0, limit=100_000)

    def messages(self, job_id: str) -> str:
        return "\n".join(str(event.data.get("message", "")) for event in self.events(job_id))

    def until_state(self, job_id: str, wanted: State) -> JobRow:
        until(lambda: self.job(job_id).state == wanted, f"{wanted}: {job_id}\n{self.log}", within_s=SECONDS)
        return self.job(job_id)

    def until_saved(self, job_id: str, epoch: int = 1) -> int:
        """Wait until attempt ``epoch`` runs and has saved its state; the step."""

        def saved() -> int:
            mine = [row.step for row in self.checkpoints(job_id) if row.epoch == epoch]
            row = self.job(job_id)
            assert row.epoch <= epoch, f"already at attempt {row.epoch}"
            assert not State(row.state).is_terminal, f"already {row.state}"
            return max(mine) if mine and row.state == State.RUNNING else 0

        return until(saved, f"a checkpoint of attempt {epoch}: {job_id}", within_s=SECONDS)

    def runner_of(self, job_id: str) -> tuple[int, int, int]:
        """Numbers of the processes at work on a running job: worker, runner, and the job's own."""

        def family() -> tuple[int, int, int] | None:
            with self.catalogue.reading() as session:
                worker = session.get(WorkerRow, session.get_one(JobRow, job_id).owner or "")
            for runner in children_of(worker.pid) if worker else []:
                for process in children_of(runner):
                    return worker.pid, runner, process  # type: ignore[union-attr]
            return None

        return until(family, f"the process of {job_id}")

    # What must be true

    def reference(self, config: PretrainConfig = TRAINING) -> str:
        """Digest of the encoder that an undisturbed training makes; the first who asks for it trains, others wait."""
        with (self.references / str(config.epochs)).open("a+") as kept:
            fcntl.flock(kept, fcntl.LOCK_EX)
            kept.seek(0)
            if not (digest := kept.read()):
                self.a_worker()
                job_id = self.submit(config)
                assert self.until_state(job_id, State.SUCCEEDED).epoch == 1
                digest = self.encoder(job_id).sha256
                kept.write(digest)
        return digest

    def encoder(self, job_id: str) -> EncoderRow:
        with self.catalogue.reading() as session:
            return session.scalars(select(EncoderRow).where(EncoderRow.job_id == job_id)).one()

    def must_succeed(self, *job_ids: str, config: PretrainConfig = TRAINING) -> None:
        """All of them, with what the undisturbed training makes, bit for bit; and the API says so."""
        for job_id in job_ids:
            row, encoder = self.until_state(job_id, State.SUCCEEDED), self.encoder(job_id)
            assert encoder.sha256 == sha256_of(self.data / encoder.key) == self.reference(config)
            told = self.told(job_id)
            assert (told["state"], told["produced_encoder_id"], told["error"]) == ("succeeded", encoder.id, None)
            assert told["result"]["steps"] == told["saved_step"] == told["progress"]["step"]
            steps = [event.data["step"] for event in self.events(job_id) if event.kind == "checkpoint"]
            assert row.result is not None
            assert steps[-1] == row.result["steps"]

    def violations(self) -> list[str]:
        """With nothing at work even the newest file must have a meaning."""
        with self.catalogue.reading() as session:
            return violations(session, self.data, stray_s=-1.0)

    def until_sound(self) -> None:
        """Workers tidy up after they have settled."""
        found: list[str] = []

        def is_sound() -> bool:
            found[:] = self.violations()  # which reads every file
            return found == []

        with contextlib.suppress(AssertionError):
            until(is_sound, "a sound lab", within_s=10)
        assert found == []

    # Harm

    def turn_clock(self, ahead_s: float) -> None:
        """Let the workers' clock be wrong by so many seconds from now on; 0 puts it right."""
        (self.data / "clock").write_text(str(ahead_s))

    def freeze(self, worker_pid: int) -> None:
        """SIGSTOP, but never in the middle of a write: SQLite's lock would be held until it thaws, which is known."""
        while True:
            os.kill(worker_pid, signal.SIGSTOP)
            # One thread takes the signal and stops the others; until it has its turn on a busy machine, they go on.
            until(lambda: all_stand_still(worker_pid), "a worker that stands still")
            with contextlib.suppress(sqlite3.OperationalError), self.locked(wait_s=0.2):
                return
            os.kill(worker_pid, signal.SIGCONT)
            time.sleep(0.05)

    @contextlib.contextmanager
    def locked(self, wait_s: float = 5.0) -> Iterator[None]:
        """The catalogue locked against writers, as a backup that copies it does."""
        other = sqlite3.connect(self.data / "catalogue.sqlite", isolation_level=None, timeout=wait_s)
        try:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        finally:
            other.close()
