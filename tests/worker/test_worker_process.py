"""The worker as it is deployed: Celery, Redis, a warm runner with torch, and real science on real images."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from sqlalchemy import select

from backend.catalogue import queries
from backend.catalogue.engine import Catalogue, open_catalogue
from backend.catalogue.models import EventRow, JobRow, WorkerRow
from backend.catalogue.upgrade import upgrade
from backend.jobs import dry_runs, store
from backend.jobs.features import features_folder
from backend.jobs.imports import upload_path
from backend.jobs.queue import Bell, make_app
from backend.jobs.states import Kind, State
from backend.settings import PREFIX, Settings
from benchmarks.squares import add_squares
from simclr.config import EmbedConfig, EncoderConfig, KnnConfig, LinearProbeConfig, PretrainConfig
from simclr.costs import Costs
from simclr.encoder_file import read_encoder_file
from simclr.predictions import read_predictions
from tests.backend.api.packing import archive
from tests.backend.jobs.rows import job, state, submit
from tests.worker.redis_server import redis_at, socket_folder
from tests.worker.waiting import children_of, is_running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TINY = EncoderConfig(architecture="resnet8", width=8)
SHORT = PretrainConfig(epochs=2, batch_size=32, encoder=TINY, projection_width=16, projection_dim=8)
LONG = SHORT.model_copy(update={"epochs": 1000})


@dataclass
class Lab:
    """A deployment without its API: data folder, catalogue, bell, and a way to start workers."""

    settings: Settings
    catalogue: Catalogue
    dataset_id: str
    redis: subprocess.Popen[bytes]

    def start_worker(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "celery", "-A", "tests.worker.quick_app", "worker", "-P", "threads", "-c", "1"]
        return subprocess.Popen(
            [*command, "--without-gossip", "--without-mingle", "--loglevel", "INFO"],
            env={
                **os.environ,
                f"{PREFIX}DATA": str(self.settings.data_folder),
                f"{PREFIX}REDIS_URL": str(self.settings.redis_url),
                "OMP_NUM_THREADS": "1",
            },
        )

    def until_warm(self, worker: subprocess.Popen[bytes]) -> WorkerRow:
        def warm() -> WorkerRow | None:
            assert worker.poll() is None, "the worker ended"
            with self.catalogue.reading() as session:
                return session.scalar(
                    select(WorkerRow).where(WorkerRow.pid == worker.pid, WorkerRow.device.is_not(None))
                )

        return until(warm, "a warm runner", within_s=120)

    def submit(self, kind: Kind, config: dict[str, object], encoder_id: str | None = None) -> str:
        job_id = submit(self.catalogue, self.dataset_id, kind, config=config, encoder_id=encoder_id)
        Bell(self.settings.redis_url).ring()
        return job_id

    def pretrain(self, config: PretrainConfig) -> str:
        return self.submit(Kind.PRETRAIN, config.model_dump(mode="json"))

    def until_state(self, job_id: str, wanted: State, within_s: float = 120) -> JobRow:
        until(lambda: state(self.catalogue, job_id) is wanted, f"{wanted} of {job(self.catalogue, job_id).__dict__}", within_s=within_s)  # fmt: skip  # noqa: E501
        return job(self.catalogue, job_id)

    def until_training(self, job_id: str, epoch: int = 1) -> None:
        def trains() -> bool:
            row = job(self.catalogue, job_id)
            return row.epoch == epoch and row.progress is not None

        until(trains, f"progress of attempt {epoch}", within_s=120)

    def events(self, job_id: str) -> list[EventRow]:
        with self.catalogue.reading() as session:
            return list(queries.events_after(session, job_id, 0, limit=10_000))

    def last_message(self, job_id: str) -> str:
        return str([event for event in self.events(job_id) if event.kind == "state"][-1].data["message"])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with socket_folder() as folder, redis_at(folder / "redis.sock") as redis:
        data = tmp_path_factory.mktemp("lab")
        settings = Settings(data=data, redis_url=f"redis+socket://{folder / 'redis.sock'}")
        catalogue = open_catalogue(settings)
        upgrade(catalogue.engine)
        dataset_id = add_squares(catalogue, data)
        yield Lab(settings, catalogue, dataset_id, redis)
        catalogue.close()


@pytest.fixture(scope="module")
def worker(lab: Lab) -> Iterator[subprocess.Popen[bytes]]:
    """One worker for all tests, which the last of them kills."""
    process = lab.start_worker()
    lab.until_warm(process)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def next_worker(lab: Lab) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts another one, and makes sure of its end."""
    started = []

    def start() -> subprocess.Popen[bytes]:
        started.append(lab.start_worker())
        lab.until_warm(started[-1])
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def family_of(worker: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Runner and job below a worker that is at work."""
    [runner] = children_of(worker.pid)
    return runner, until(lambda: children_of(runner), "the job's process")[0]


class TestAWorkerAtWork:
    def test_pretrains_embeds_and_transfers(self, lab: Lab, worker: subprocess.Popen[bytes]) -> None:
        pretrained = lab.pretrain(SHORT)
        result = lab.until_state(pretrained, State.SUCCEEDED).result
        assert result is not None
        assert result["epochs"] == 2
        with lab.catalogue.reading() as session:
            encoder_id = queries.encoders_made_by(session, [pretrained])[pretrained]
            encoder = queries.encoder(session, encoder_id)
        assert encoder is not None
        path = lab.settings.data_folder / encoder.key
        assert read_encoder_file(path).model_dump(mode="json") == encoder.description
        embedded = lab.submit(Kind.EMBED, EmbedConfig().model_dump(), encoder_id)
        knn = lab.submit(Kind.TRANSFER, KnnConfig(k=5).model_dump(), encoder_id)
        probe = lab.submit(Kind.TRANSFER, LinearProbeConfig().model_dump(), encoder_id)
        for job_id in (embedded, knn, probe):
            lab.until_state(job_id, State.SUCCEEDED)
        with lab.catalogue.reading() as session:
            bank = queries.bank(session, encoder_id, lab.dataset_id)
            found = queries.results(session, dataset_id=lab.dataset_id).all()
        assert bank is not None
        assert np.load(lab.settings.data_folder / bank.key).shape == (96, bank.feature_dim)
        assert {result["strategy"] for result in found} == {"knn", "linear_probe"}
        for result in found:
            answers = read_predictions(lab.settings.data_folder / str(result["predictions"]), "test")
            assert json.loads(result["summary"])["scores"][1]["accuracy"] == answers.is_right.mean()
        assert list(features_folder(lab.settings.data_folder).iterdir())

    def test_starts_training_within_seconds_of_the_submission_and_imports_meanwhile(
        self, lab: Lab, worker: subprocess.Popen[bytes]
    ) -> None:
        asked_at = time.monotonic()
        job_id = lab.pretrain(LONG)
        lab.until_training(job_id)
        seconds = time.monotonic() - asked_at
        imported = submit(
            lab.catalogue, None, Kind.IMPORT, name="Letters", config={"origin": "upload", "source": "zip"}
        )
        upload_path(lab.settings.data_folder, imported).parent.mkdir(exist_ok=True)
        upload_path(lab.settings.data_folder, imported).write_bytes(archive())
        Bell(lab.settings.redis_url).ring()
        assert lab.until_state(imported, State.SUCCEEDED).dataset_id is not None
        assert state(lab.catalogue, job_id) is State.RUNNING
        with lab.catalogue.writing() as session:
            store.request_cancel(session, job_id)
        cancelled_at = time.monotonic()
        lab.until_state(job_id, State.CANCELLED)
        row = job(lab.catalogue, job_id)
        print(f"\nclaimed {(row.started_at or 0) - row.created_at:.2f} s, first progress {seconds:.2f} s after the submission,"  # noqa: T201
              f" cancelled in {time.monotonic() - cancelled_at:.2f} s")  # fmt: skip
        assert seconds < 10
        [runner] = children_of(worker.pid)
        assert children_of(runner) == []

    def test_tries_out_what_somebody_thinks_of_while_it_has_no_job(
        self, lab: Lab, worker: subprocess.Popen[bytes]
    ) -> None:
        asked = SHORT.model_dump(mode="json")
        key = dry_runs.key_of(asked, lab.dataset_id, None)
        with lab.catalogue.writing() as session:
            dry_runs.ask(session, asked, lab.dataset_id, None)
        Bell(lab.settings.redis_url).ring()

        def found() -> Costs | None:
            with lab.catalogue.reading() as session:
                return dry_runs.found(session, key)

        costs = until(found, "what a dry run found", within_s=60)
        assert (costs.tried_batch, costs.advice) == (32, None)  # type: ignore[union-attr]
        assert (costs.step_s or 0) > 0  # type: ignore[union-attr]
        assert (costs.peak_bytes or 0) > 2**20  # type: ignore[union-attr]

    def test_does_not_try_again_what_cannot_work(self, lab: Lab, worker: subprocess.Popen[bytes]) -> None:
        job_id = lab.pretrain(SHORT.model_copy(update={"batch_size": 4096}))
        failed = lab.until_state(job_id, State.FAILED)
        assert (failed.error_code, failed.crashes, failed.epoch) == ("bad_input", 0, 1)
        assert "4096" in (failed.error_message or "")
        assert lab.last_message(job_id) == failed.error_message

    def test_gives_up_on_a_job_that_was_killed_three_times(self, lab: Lab, worker: subprocess.Popen[bytes]) -> None:
        job_id = lab.pretrain(LONG)
        for epoch in (1, 2, 3):
            lab.until_training(job_id, epoch)
            os.kill(family_of(worker)[1], signal.SIGKILL)
        failed = lab.until_state(job_id, State.FAILED)
        assert (failed.error_code, failed.crashes) == ("crashed", 3)
        assert "signal 9" in (failed.error_message or "")
        told = [event.data["state"] for event in lab.events(job_id) if event.kind == "state"]
        assert told == ["queued", "running"] * 3 + ["failed"]

    def test_survives_fifty_bells_and_messages_it_does_not_know(
        self, lab: Lab, worker: subprocess.Popen[bytes]
    ) -> None:
        app = make_app(str(lab.settings.redis_url))
        app.send_task("os.system", args=["echo"])
        app.send_task("wake", args=["unexpected"])
        job_id = lab.pretrain(SHORT)
        bell = Bell(lab.settings.redis_url)
        assert all(bell.ring() for _ in range(50))
        assert lab.until_state(job_id, State.SUCCEEDED).epoch == 1
        assert worker.poll() is None


def test_a_killed_worker_leaves_no_process_and_the_next_takes_over_does_without_redis_and_gives_back_when_told_to_stop(
    lab: Lab, worker: subprocess.Popen[bytes], next_worker: Callable[[], subprocess.Popen[bytes]]
) -> None:
    """One story, as a worker takes seconds to start."""
    job_id = lab.pretrain(LONG)
    lab.until_training(job_id)
    runner, process = family_of(worker)
    worker.kill()
    worker.wait()
    until(lambda: not is_running(runner) and not is_running(process), "the end of runner and job", within_s=5)
    killed_at = time.monotonic()
    leaving = next_worker()
    lab.until_training(job_id, epoch=2)
    print(f"\nanother worker trained {time.monotonic() - killed_at:.1f} s after the kill, its own start included")  # noqa: T201
    assert job(lab.catalogue, job_id).crashes == 1
    assert any("fell silent" in event.data.get("message", "") for event in lab.events(job_id))
    job_id = it_does_its_jobs_without_redis(lab, job_id)
    it_gives_back_what_it_does_when_told_to_stop(lab, leaving, job_id)
    with lab.catalogue.writing() as session:
        store.request_cancel(session, job_id)


def it_does_its_jobs_without_redis(lab: Lab, running: str) -> str:
    """The one that it does now; ``running`` is cancelled."""
    lab.redis.kill()
    lab.redis.wait()
    short, long = lab.pretrain(SHORT), lab.pretrain(LONG)
    with lab.catalogue.writing() as session:
        store.request_cancel(session, running)
    lab.until_state(running, State.CANCELLED)
    assert lab.until_state(short, State.SUCCEEDED).epoch == 1
    lab.until_training(long)
    return long


def it_gives_back_what_it_does_when_told_to_stop(lab: Lab, leaving: subprocess.Popen[bytes], job_id: str) -> None:
    runner, process = family_of(leaving)
    leaving.terminate()
    told_at = time.monotonic()
    leaving.wait(timeout=20)
    print(f"\nthe worker left in {time.monotonic() - told_at:.2f} s")  # noqa: T201
    assert time.monotonic() - told_at < 5
    assert not is_running(runner)
    assert not is_running(process)
    row = job(lab.catalogue, job_id)
    assert (row.state, row.crashes) == ("queued", 0)
    assert "goes on from epoch" in lab.last_message(job_id)
