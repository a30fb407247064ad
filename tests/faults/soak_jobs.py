"""The jobs of a soak: which are submitted, and what each of them must come to, whatever is done to it."""

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import select

from backend.catalogue.models import BankRow, EncoderRow, EventRow, JobRow, ResultRow
from backend.jobs.states import Kind, State
from simclr.config import EmbedConfig, FineTuneConfig, KnnConfig
from simclr.runs import sha256_of
from tests.faults.lab import TRAINING
from tests.faults.soak_lab import SoakLab, Violation

PRETRAININGS = tuple(TRAINING.model_copy(update={"epochs": 50, "knn_every": 10, "seed": seed}) for seed in range(2))
# What is done with an encoder: short jobs, the last of which has checkpoints too.
FOLLOW_UPS: tuple[tuple[Kind, dict[str, Any]], ...] = (
    (Kind.EMBED, EmbedConfig().model_dump(mode="json")),
    (Kind.TRANSFER, KnnConfig(k=5).model_dump(mode="json")),
    (Kind.TRANSFER, FineTuneConfig(epochs=30, batch_size=16).model_dump(mode="json")),
)
PRETRAINED_SHARE = 0.6
WAITING = 3  # jobs that wait at a time, so that there is always something to disturb


class Work(NamedTuple):
    """What two jobs have in common that must come to the same: the pretraining, and what is done with its encoder."""

    pretraining: int
    follow_up: int | None


@dataclass(frozen=True)
class Asked:
    key: str
    work: Work
    body: dict[str, Any]


@dataclass
class Jobs:
    """All jobs of a soak. ``references`` are digests of what each kind of work comes to undisturbed."""

    lab: SoakLab
    seed: int
    references: dict[Work, str] = field(default_factory=dict)
    submitted: dict[str, Asked] = field(default_factory=dict)
    encoders: list[tuple[int, str]] = field(default_factory=list)  # of which pretraining, and its id
    _count: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def learn_references(self) -> None:
        """Do every kind of work once, undisturbed; its encoders are those that follow-ups use until there are others."""
        for number in range(len(PRETRAININGS)):
            job_id = self.send(self._pretraining(number))
            self._await_reference(job_id)
            self.encoders.append((number, self.lab.encoder(job_id).id))
            for follow_up in range(len(FOLLOW_UPS)):
                self._await_reference(self.send(self._follow_up(number, self.encoders[-1][1], follow_up)))

    def _await_reference(self, job_id: str) -> None:
        row = self.lab.until_state(job_id, State.SUCCEEDED)
        if row.epoch != 1:
            raise Violation(f"job {job_id} was disturbed before the first fault: attempt {row.epoch}")
        self.references[self.submitted[job_id].work] = outcome(self.lab, row)

    def invent(self) -> Asked:
        """The next job, which depends on the seed and on how many came before."""
        rng = random.Random(f"{self.seed}/{self._count}")
        if rng.random() < PRETRAINED_SHARE:
            return self._pretraining(rng.randrange(len(PRETRAININGS)))
        self._look_for_encoders()
        return self._follow_up(*rng.choice(self.encoders), rng.randrange(len(FOLLOW_UPS)))

    def send(self, asked: Asked) -> str:
        """Submit it, or find it submitted."""
        answer = self.lab.post("/api/jobs", json=asked.body, headers={"idempotency-key": asked.key})
        if answer.status_code not in (200, 201):
            raise Violation(f"a job was refused with {answer.status_code}: {answer.text[:300]}")
        job_id = str(answer.json()["id"])
        with self._guard:
            self.submitted[job_id] = asked
        return job_id

    def keep_waiting(self) -> None:
        """Submit jobs as long as too few wait."""
        with self.lab.catalogue.reading() as session:
            states = session.scalars(select(JobRow.state).where(JobRow.state.in_((State.QUEUED, State.PAUSED)))).all()
        for _ in range(WAITING - len(states)):
            self.send(self.invent())

    def unfinished(self) -> list[str]:
        with self.lab.catalogue.reading() as session:
            return [row.id for row in session.scalars(select(JobRow)) if not State(row.state).is_terminal]

    def _pretraining(self, number: int) -> Asked:
        body = {"kind": "pretrain", "config": PRETRAININGS[number].model_dump(mode="json")}
        return self._asked(Work(number, None), body)

    def _follow_up(self, pretraining: int, encoder_id: str, number: int) -> Asked:
        kind, config = FOLLOW_UPS[number]
        return self._asked(Work(pretraining, number), {"kind": kind, "config": config, "encoder_id": encoder_id})

    def _asked(self, work: Work, body: dict[str, Any]) -> Asked:
        with self._guard:
            self._count += 1
            return Asked(f"soak-{self.seed}-{self._count}", work, body | {"dataset_id": self.lab.dataset_id})

    def _look_for_encoders(self) -> None:
        known = {encoder_id for _, encoder_id in self.encoders}
        with self.lab.catalogue.reading() as session:
            for row in session.scalars(select(EncoderRow).order_by(EncoderRow.id)):
                if row.id not in known and row.job_id in self.submitted:
                    self.encoders.append((self.submitted[row.job_id].work.pretraining, row.id))


def outcome(lab: SoakLab, job: JobRow) -> str:
    """What a job that succeeded came to, to the last bit, without the seconds that it took."""
    with lab.catalogue.reading() as session:
        match Kind(job.kind):
            case Kind.PRETRAIN:
                encoder = session.scalars(select(EncoderRow).where(EncoderRow.job_id == job.id)).one()
                return sha256_of(lab.data / encoder.key)
            case Kind.EMBED:
                # A later job that embedded with the same encoder has put its bank in the place of this one's.
                bank = session.scalars(
                    select(BankRow).where(BankRow.encoder_id == job.encoder_id, BankRow.dataset_id == job.dataset_id)
                ).one()
                return sha256_of(lab.data / bank.key)
            case Kind.TRANSFER:
                result = session.scalars(select(ResultRow).where(ResultRow.job_id == job.id)).one()
                return repr({name: result.content[name] for name in ("scores", "chosen", "chance")})


def complaints(jobs: Jobs) -> list[str]:
    """What is wrong with the jobs now that all of them should have succeeded, a sentence each."""
    lab = jobs.lab
    with lab.catalogue.reading() as session:
        rows = {row.id: row for row in session.scalars(select(JobRow))}
    found = [f"job {job_id} was accepted and is not there" for job_id in jobs.submitted.keys() - rows.keys()]
    found += [f"job {job_id} was made twice, or by nobody" for job_id in rows.keys() - jobs.submitted.keys()]
    for job_id in jobs.submitted.keys() & rows.keys():
        row, work = rows[job_id], jobs.submitted[job_id].work
        if row.state != State.SUCCEEDED:
            found.append(f"job {job_id} is {row.state} ({row.error_code}: {row.error_message}), not succeeded")
            continue
        if outcome(lab, row) != jobs.references[work]:
            found.append(f"job {job_id} ({row.kind}) came to something else than undisturbed, {work}")
        told = lab.told(job_id)
        if (told["state"], told["error"]) != ("succeeded", None):
            found.append(f"job {job_id} has succeeded, but the API says {told['state']}, {told['error']}")
        found += [f"job {job_id}: {problem}" for problem in problems(lab.events(job_id), reference_of(jobs, work))]
    return sorted(found)


def reference_of(jobs: Jobs, work: Work) -> Sequence[EventRow]:
    """The events of the first job of this kind, which nothing disturbed."""
    first = min(job_id for job_id, asked in jobs.submitted.items() if asked.work == work)
    return jobs.lab.events(first)


def problems(events: Sequence[EventRow], undisturbed: Sequence[EventRow]) -> list[str]:
    """What is wrong with the numbered events of a job that succeeded, beside those of the same work undisturbed."""
    found = []
    if [event.seq for event in events] != list(range(1, len(events) + 1)):
        found.append("its events are not numbered from 1 without gaps")
    if [event.epoch for event in events] != sorted(event.epoch for event in events):
        found.append("an attempt wrote after it had been replaced")
    ends = [event for event in events if event.kind == "state" and State(event.data["state"]).is_terminal]
    if len(ends) != 1 or ends[0] is not events[-1]:
        found.append(f"{len(ends)} events tell its end, or the last is none of them")
    curve, expected = evaluations(events), evaluations(undisturbed)
    if curve.keys() != expected.keys():
        found.append(f"evaluations at the steps {sorted(curve)}, not {sorted(expected)}")
    elif curve != expected:
        found.append("its evaluations are not those of the undisturbed training")
    for attempt in sorted({event.epoch for event in events}):
        for kind in ("progress", "checkpoint"):
            steps = [event.data["step"] for event in events if event.kind == kind and event.epoch == attempt]
            if steps != sorted(set(steps)):
                found.append(f"attempt {attempt} tells {kind} of the steps {steps}, not one after the other")
    return found


def evaluations(events: Sequence[EventRow]) -> dict[int, list[Any]]:
    """What was told of the features, by step: each value once, so that what was told twice must be the same."""
    found: dict[int, list[Any]] = {}
    for event in events:
        if event.kind == "evaluation":
            values = found.setdefault(event.data["step"], [])
            if event.data not in values:
                values.append(event.data)
    return found
