"""Requests at a fixed rate, sent whether or not those before were answered: reading, reading beside a training, submitting."""

import asyncio
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from backend.catalogue.models import JobRow
from backend.jobs import store
from backend.jobs.outcomes import Succeeded
from backend.jobs.states import Kind, State
from benchmarks.load_client import Answer, Outcome, Request, open_loop
from benchmarks.load_goals import Reached, Title, percentile
from benchmarks.load_lab import LoadLab, running, until
from simclr.config import KnnConfig, PretrainConfig
from simclr.events import Progress
from simclr.results import Score, TransferResult

WARM_UP_S = 3.0
HISTORY = 300  # jobs that have ended before reading begins, so that lists are long
EVENTS = 10  # of each
FOUND = TransferResult(
    strategy="knn",
    scores=[Score(split=split, n=16, accuracy=0.5, accuracy_low=0.3, accuracy_high=0.7) for split in ("val", "test")],
    chance=0.5,
    seconds=0.1,
    chosen={"k": 5.0},
)


def add_baseline(lab: LoadLab) -> str:
    """The encoder that is no network."""
    asked = {"origin": "pixels", "dataset_id": lab.dataset_id}
    return str(lab.http.post("/api/encoders", json=asked).raise_for_status().json()["id"])


def add_history(lab: LoadLab) -> tuple[str, list[str]]:
    """A baseline encoder, and jobs with results and events; ids of the encoder and the jobs."""
    encoder_id = add_baseline(lab)
    submission = store.Submission(Kind.TRANSFER, lab.dataset_id, KnnConfig().model_dump(mode="json"), encoder_id)
    job_ids = []
    for _ in range(HISTORY):
        with lab.catalogue.writing() as session:
            store.submit(session, submission)
            claim = store.claim(session, "benchmark")
            assert claim is not None  # noqa: S101
            for step in range(EVENTS):
                told = Progress(step=step, steps=EVENTS, loss=2.0)
                store.progress(session, claim.job_id, claim.epoch, [told])
            store.settle(session, claim.job_id, claim.epoch, Succeeded(FOUND))
        job_ids.append(claim.job_id)
    return encoder_id, job_ids


def read_mix(job_ids: list[str], dataset_id: str, count: int) -> list[Request]:
    """What open pages ask: mostly lists of jobs and single ones, now and then everything else."""
    rng = random.Random(0)
    paths = {
        "/api/jobs?limit=50": 30, "/api/jobs/{job}": 25, "/api/system": 15, "/api/encoders": 8, "/api/datasets": 7,
        "/api/results": 5, f"/api/datasets/{dataset_id}/images?limit=24": 5, "/api/session": 5,
    }  # fmt: skip
    drawn = rng.choices(list(paths), list(paths.values()), k=count)
    return [Request("GET", path.replace("{job}", rng.choice(job_ids))) for path in drawn]


def put_on(
    lab: LoadLab, requests: list[Request], rate: float, take: Callable[[Request, Answer], None] = lambda _, __: None
) -> Outcome:
    """Send the requests as somebody signed in; how it went, with the API's share of a core."""
    began, before_s = time.monotonic(), lab.processor_s()
    outcome = asyncio.run(open_loop(lab.settings.port, lab.cookie(), requests, rate, WARM_UP_S, take))
    outcome.share = (lab.processor_s() - before_s) / (time.monotonic() - began)
    return outcome


def told(outcome: Outcome, goal_ms: float) -> Iterator[Reached]:
    """How late answers were, and what was no success."""
    late = outcome.latencies_s
    more = {f"p{share:g}": 1e3 * percentile(late, share / 100) for share in (90, 95, 99.9)}
    yield Reached("answered after, median", "ms", 1e3 * percentile(late, 0.5))
    yield Reached("answered after, p99", "ms", 1e3 * percentile(late, 0.99), goal_ms, more | {"requests": len(late)})
    yield Reached("answers 5xx", "answers", outcome.answered(500), 0, {"of them 503": outcome.statuses.get(503, 0)})
    yield Reached("answers 4xx, or none", "requests", outcome.answered(400) - outcome.answered(500) + outcome.lost, 0)
    yield Reached("the API's share of a core", "%", 100 * outcome.share)


def reading(rate: float, seconds: float) -> Iterator[Reached | Title]:
    """L3: an idle worker, nothing else."""
    with running(worker=True) as lab:
        _, job_ids = add_history(lab)
        requests = read_mix(job_ids, lab.dataset_id, int(rate * (WARM_UP_S + seconds)))
        outcome = put_on(lab, requests, rate)
        rss = lab.rss_mib()
    yield Title(f"{rate:g} reads/s for {seconds:g} s, {HISTORY} jobs in the catalogue, an idle worker")
    yield from told(outcome, 50)
    yield Reached("memory of the API", "MiB", rss)


def reading_beside_training(rate: float, seconds: float) -> Iterator[Reached | Title]:
    """L4: a training on all cores that it may use; it is started at a lower priority (nice 10), as always."""
    with running(worker=True) as lab:
        _, job_ids = add_history(lab)
        dataset_id = made_of_digits(lab)
        training = PretrainConfig(epochs=1000, batch_size=128).model_dump(mode="json")
        job_id = lab.submit({"kind": "pretrain", "config": training, "dataset_id": dataset_id})
        until_trains(lab, job_id)
        requests = read_mix(job_ids, lab.dataset_id, int(rate * (WARM_UP_S + seconds)))
        outcome = put_on(lab, requests, rate)
        speed = lab.http.get(f"/api/jobs/{job_id}").json()["progress"]["images_per_s"]
        lab.http.post(f"/api/jobs/{job_id}/cancel")
    yield Title(f"{rate:g} reads/s for {seconds:g} s while a pretraining runs")
    yield from told(outcome, 250)
    yield Reached("the training meanwhile", "images/s", speed or 0.0)


def made_of_digits(lab: LoadLab) -> str:
    """The id of the built-in set, made by the worker."""
    job_id = lab.http.post("/api/datasets/builtin", json={"source": "digits"}).raise_for_status().json()["id"]
    made: str = until(lambda: lab.http.get(f"/api/jobs/{job_id}").json()["dataset_id"], "the digits")
    return made


def until_trains(lab: LoadLab, job_id: str) -> None:
    deadline = time.monotonic() + 120
    while lab.http.get(f"/api/jobs/{job_id}").json()["progress"] is None:
        if time.monotonic() > deadline:
            raise RuntimeError(f"job {job_id} did not begin within 120 s")
        time.sleep(0.1)


@contextmanager
def cancelled_at_once(lab: LoadLab) -> Iterator[None]:
    """Whatever waits is cancelled four times a second, as the queue holds only 100 jobs; and no worker is needed."""
    over = threading.Event()

    def drain() -> None:
        waiting = select(JobRow.id).where(JobRow.state == State.QUEUED)
        while not over.wait(0.25):
            with suppress(OperationalError), lab.catalogue.writing() as session:
                for job_id in session.scalars(waiting).all():
                    store.request_cancel(session, job_id)

    drainer = threading.Thread(target=drain)
    drainer.start()
    try:
        yield
    finally:
        over.set()
        drainer.join()


def submitting(rate: float, seconds: float) -> Iterator[Reached | Title]:
    """L5: every tenth submission repeats the one before, as a client does whose connection broke."""
    answers: list[tuple[str, Answer]] = []
    with running() as lab:
        encoder_id, _ = add_history(lab)
        body = {"kind": "transfer", "dataset_id": lab.dataset_id, "encoder_id": encoder_id}
        payload = json.dumps(body | {"config": KnnConfig().model_dump(mode="json")}).encode()
        count = int(rate * (WARM_UP_S + seconds))
        keys = [f"load-{number - (number % 10 == 9)}" for number in range(count)]
        requests = [Request("POST", "/api/jobs", payload, (("Idempotency_Key", key),)) for key in keys]
        with cancelled_at_once(lab):
            outcome = put_on(
                lab, requests, rate, lambda request, answer: answers.append((request.headers[0][1], answer))
            )
        with lab.catalogue.reading() as session:
            kept = dict(
                session.execute(
                    select(JobRow.idempotency_key, JobRow.id).where(JobRow.idempotency_key.is_not(None))
                ).all()
            )  # type: ignore[arg-type]
            in_all = session.scalar(select(func.count()).select_from(JobRow)) or 0
    accepted = [(key, json.loads(answer.body)["id"]) for key, answer in answers if answer.status in (200, 201)]
    yield Title(f"{rate:g} submissions/s for {seconds:g} s, one in ten sent twice; jobs are cancelled at once")
    yield from told(outcome, 150)
    yield Reached("accepted and lost", "jobs", sum(kept.get(key) != job_id for key, job_id in accepted), 0)
    yield Reached("jobs more than keys", "jobs", in_all - HISTORY - len(set(keys)), 0)
