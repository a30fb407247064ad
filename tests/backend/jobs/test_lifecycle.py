"""Whatever two racing workers, an impatient person and a jumping clock do, every job keeps one life.

Hypothesis drives the real statements on a real catalogue, and a few lines of model say what must be true after each step.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, PoolProxiedConnection, Table, insert, select

from backend.catalogue.engine import Catalogue, open_url
from backend.catalogue.models import Base
from backend.jobs import store
from backend.jobs.order import Reach
from backend.jobs.outcomes import Cancelled, Crashed, Failed, Outcome, Paused, Released
from backend.jobs.states import MOVES, Desired, State
from backend.jobs.store import Claim
from backend.jobs.sweeper import sweep
from backend.jobs.timing import Timing
from simclr.events import Checkpoint, Log, Progress
from tests.backend.jobs.rows import PRETRAINED, add_dataset, submit

TIMING = Timing(lease_s=30.0, backoff_s=(5.0, 30.0, 120.0))
IN_MEMORY = Path("/dev/shm")  # noqa: S108  where the many commits cost no disk; power cuts are not part of this test
OUTCOMES: tuple[Outcome, ...] = (
    PRETRAINED, Failed("bad_input", "no"), Crashed("died"), Cancelled(), Paused(), Released(),
)  # fmt: skip


class Job(NamedTuple):
    id: str
    state: str
    desired: str
    epoch: int
    owner: str | None
    lease_until: float | None
    crashes: int
    finished_at: float | None
    pinned_to: str | None


class Saved(NamedTuple):
    job_id: str
    epoch: int
    step: int
    key: str


class Told(NamedTuple):
    job_id: str
    seq: int
    epoch: int
    kind: str
    data: Any


JOBS = "SELECT id, state, desired, epoch, owner, lease_until, crashes, finished_at, pinned_to FROM job"
CHECKPOINTS = "SELECT job_id, epoch, step, key FROM checkpoint"
EVENTS = "SELECT job_id, seq, epoch, kind, data FROM event ORDER BY job_id, seq"
ENCODERS = "SELECT job_id FROM encoder"

# Nobody has a "cuda:1": what is pinned there waits for ever.
REACHES = (Reach(device="cuda:0"), Reach(device="cpu"))


BEGAN_AT = 1000.0


class Opening(NamedTuple):
    """What every story of a run begins with: two doors to one database, and in it a job that was claimed just now."""

    engines: tuple[Engine, Engine]  # kept, as compiling their statements takes the longest
    looking: PoolProxiedConnection  # of the driver alone: through SQLAlchemy all that is looked at would take a third of a story
    dataset_id: str
    claim: Claim
    rows: dict[Table, list[dict[str, Any]]]

    @classmethod
    def make(cls, engines: tuple[Engine, Engine]) -> "Opening":
        door = Catalogue(engines[0], clock=lambda _session: BEGAN_AT)
        dataset_id = add_dataset(door)
        submit(door, dataset_id)
        with door.writing() as session:
            claim = store.claim(session, "worker 0", TIMING, REACHES[0])
            tables = Base.metadata.sorted_tables
            rows = {table: [dict(row) for row in session.execute(select(table)).mappings()] for table in tables}
        assert claim is not None
        return cls(engines, engines[1].raw_connection(), dataset_id, claim, rows)

    def restore(self) -> None:
        with self.engines[0].begin() as connection:
            cursor = connection.connection.cursor()
            for table in reversed(self.rows):
                cursor.execute(f"DELETE FROM {table.name}")  # noqa: S608
            for table, rows in self.rows.items():
                if rows:
                    connection.execute(insert(table), rows)


class Lifecycle(RuleBasedStateMachine):
    jobs: Bundle[str] = Bundle("jobs")
    claims: Bundle[Claim] = Bundle("claims")

    opening: Opening

    def __init__(self) -> None:
        super().__init__()
        self.moment = BEGAN_AT
        # Two workers are two engines: they share nothing but the file.
        self.doors = [Catalogue(engine, clock=lambda _session: self.moment) for engine in self.opening.engines]
        self.opening.restore()
        self.dataset_id = self.opening.dataset_id
        first = self.opening.claim
        self.holder = {first.job_id: first.epoch}  # job id → the only epoch that may write
        self.seen: dict[str, State] = {}
        self.heard: dict[str, tuple[str, list[Told]]] = {}

    @initialize(target=claims)
    def a_first_claim(self) -> Claim:
        return self.opening.claim

    @rule(target=jobs, key=st.sampled_from([None, "a", "b"]), device=st.sampled_from([None, None, "cpu", "cuda:1"]))
    def submit(self, key: str | None, device: str | None) -> str:
        return submit(self.doors[0], self.dataset_id, idempotency_key=key, pinned_to=device)

    @rule(target=claims, worker=st.integers(0, 1))
    def claim(self, worker: int) -> Claim:
        with self.doors[worker].writing() as session:
            claim = store.claim(session, f"worker {worker}", TIMING, REACHES[worker])
        if claim is None:
            return multiple()
        assert claim.job_id not in self.holder, "a job was given to two workers"
        (pinned_to,) = (job.pinned_to for job in self.rows() if job.id == claim.job_id)
        assert pinned_to in (None, REACHES[worker].device), "a job runs on a device that it was not to run on"
        self.holder[claim.job_id] = claim.epoch
        return claim

    @rule(claim=claims, worker=st.integers(0, 1))
    def renew(self, claim: Claim, worker: int) -> None:
        with self.doors[worker].writing() as session:
            wanted = store.renew(session, claim.job_id, claim.epoch, TIMING)
        assert (wanted is not None) == self.holds(claim)

    @rule(claim=claims, n=st.integers(0, 3))
    def progress(self, claim: Claim, n: int) -> None:
        events = [Log(message="hello"), *(Progress(step=step, steps=3) for step in range(n))]
        with self.doors[0].writing() as session:
            assert store.progress(session, claim.job_id, claim.epoch, events, TIMING) == self.holds(claim)

    @rule(claim=consumes(claims), outcome=st.sampled_from(OUTCOMES))
    def settle(self, claim: Claim, outcome: Outcome) -> None:
        self.settle_again(claim, outcome)
        with self.doors[1].writing() as session:
            assert not store.settle(session, claim.job_id, claim.epoch, outcome, TIMING)

    @rule(claim=claims, outcome=st.sampled_from(OUTCOMES))
    def settle_again(self, claim: Claim, outcome: Outcome) -> None:
        with self.doors[0].writing() as session:
            is_settled = store.settle(session, claim.job_id, claim.epoch, outcome, TIMING)
        assert is_settled == self.holds(claim)
        if is_settled:
            del self.holder[claim.job_id]

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        with self.doors[1].writing() as session:
            store.request_cancel(session, job_id)

    @rule(job_id=jobs)
    def pause(self, job_id: str) -> None:
        with self.doors[0].writing() as session:
            store.request_pause(session, job_id)

    @rule(job_id=jobs)
    def resume(self, job_id: str) -> None:
        with self.doors[1].writing() as session:
            store.request_resume(session, job_id)

    @rule(claim=claims, step=st.integers(1, 9))
    def checkpoint(self, claim: Claim, step: int) -> None:
        saved = Checkpoint(step=step, epoch=1, name=f"{step}.ckpt", sha256="ab", knn_accuracy=step / 10)
        with self.doors[0].writing() as session:
            assert store.progress(session, claim.job_id, claim.epoch, [saved], TIMING) == self.holds(claim)

    @rule(worker=st.integers(0, 1))
    def sweep(self, worker: int) -> None:
        alive = {job.id for job in self.rows() if job.lease_until is not None and job.lease_until >= self.moment}
        with self.doors[worker].writing() as session:
            sweep(session, TIMING)
        for job in self.rows():
            assert job.id not in alive or job.state == State.RUNNING, "a living job was taken away"
            if job.state != State.RUNNING:
                self.holder.pop(job.id, None)

    @rule(worker=st.integers(0, 1))
    def the_worker_falls_silent_for_long(self, worker: int) -> None:
        """The way to a second attempt; single rules find it too rarely."""
        self.clock_moves(31.0)
        self.sweep(worker)
        self.clock_moves(200.0)

    @rule(worker=st.integers(0, 1))
    def the_next_job_dies_at_once(self, worker: int) -> None:
        """The way to the last attempt, for the same reason."""
        with self.doors[worker].writing() as session:
            claim = store.claim(session, f"worker {worker}", TIMING, REACHES[worker])
        if claim is not None:
            assert claim.job_id not in self.holder
            self.holder[claim.job_id] = claim.epoch
            self.settle_again(claim, Crashed("died at once"))
            self.clock_moves(200.0)

    @rule(seconds=st.sampled_from([-20.0, 0.5, 7.0, 31.0, 200.0]))
    def clock_moves(self, seconds: float) -> None:
        self.moment += seconds

    @invariant()
    def what_the_catalogue_says_holds_together(self) -> None:
        jobs, checkpoints, events, encoders = self.all_rows()
        for job in jobs:
            self.moves_are_legal_and_authority_is_one(job)
            mine = [row for row in checkpoints if row.job_id == job.id]
            self.few_checkpoints_are_kept_and_none_is_from_the_future(job, mine)
            told = [row for row in events if row.job_id == job.id]
            if self.heard.get(job.id) != (job.state, told):  # else it was found to be right before
                self.events_are_one_gapless_story_with_at_most_one_end(job, told)
                self.heard[job.id] = job.state, told
            assert encoders.count(job.id) == (job.state == State.SUCCEEDED)

    def moves_are_legal_and_authority_is_one(self, job: Job) -> None:
        state, before = State(job.state), self.seen.get(job.id, State.QUEUED)
        assert state is before or reachable(before, state), f"{before} → {state}"
        self.seen[job.id] = state
        assert (state is State.RUNNING) == (job.id in self.holder)
        if state is State.RUNNING:
            assert job.epoch == self.holder[job.id]
        assert (job.owner is not None) == (job.lease_until is not None) == (state is State.RUNNING)
        assert job.crashes <= TIMING.crashes_allowed
        assert (job.finished_at is not None) == state.is_terminal
        assert state is not State.QUEUED or job.desired == Desired.RUN, "what waits for a worker is not to run"
        assert state is not State.PAUSED or job.desired == Desired.PAUSE, "what nobody paused is paused"
        if state is State.CANCELLED:
            assert job.desired == Desired.CANCEL or job.epoch > 0

    @staticmethod
    def few_checkpoints_are_kept_and_none_is_from_the_future(job: Job, mine: Sequence[Saved]) -> None:
        assert len(mine) <= (2 if job.state == State.SUCCEEDED else 3)
        assert all(row.epoch <= job.epoch and row.key == f"jobs/{job.id}/{row.epoch}/{row.step}.ckpt" for row in mine)

    @staticmethod
    def events_are_one_gapless_story_with_at_most_one_end(job: Job, mine: Sequence[Told]) -> None:
        assert [event.seq for event in mine] == list(range(1, len(mine) + 1))
        assert [event.epoch for event in mine] == sorted(event.epoch for event in mine)
        told = [(event, state_told(event)) for event in mine if event.kind == "state"]
        assert told[-1][1] == job.state
        assert all(later is earlier or later in MOVES[earlier] for (_, earlier), (_, later) in pairwise(told))
        ends = [event for event, state in told if state.is_terminal]
        assert len(ends) == State(job.state).is_terminal
        assert not ends or ends[0] is mine[-1]

    def holds(self, claim: Claim) -> bool:
        return self.holder.get(claim.job_id) == claim.epoch

    def rows(self) -> list[Job]:
        [jobs] = self.read(JOBS)
        return [Job(*row) for row in jobs]

    def all_rows(self) -> tuple[list[Job], list[Saved], list[Told], list[str]]:
        """All jobs, checkpoints, events in their order, and the jobs of all encoders."""
        jobs, saved, told, encoders = self.read(JOBS, CHECKPOINTS, EVENTS, ENCODERS)
        return (
            [Job(*row) for row in jobs],
            [Saved(*row) for row in saved],
            [Told(*row) for row in told],
            [job_id for (job_id,) in encoders],
        )

    def read(self, *statements: str) -> Sequence[Sequence[Any]]:
        cursor = self.opening.looking.cursor()
        found = [cursor.execute(statement).fetchall() for statement in statements]
        self.opening.looking.rollback()  # so that the next look sees what was written since
        return found


def state_told(event: Told) -> State:
    # SQLite keeps JSON as text, which PostgreSQL's driver has read already.
    return State((json.loads(event.data) if isinstance(event.data, str) else event.data)["state"])


def reachable(start: State, end: State) -> bool:
    """Whether legal moves lead from one state to another; one rule may make two of them."""
    return end in MOVES[start] or any(end in MOVES[middle] for middle in MOVES[start])


def run(examples: int, steps: int, url: str) -> None:
    """Tell so many stories of so many steps at most on the database at ``url``, whose tables are there."""
    first, second = open_url(url), open_url(url)

    class Story(Lifecycle):
        opening = Opening.make((first.engine, second.engine))

    try:
        run_state_machine_as_test(
            Story,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                derandomize=False,  # else both halves would tell the same stories
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        Story.opening.looking.close()
        first.close()
        second.close()


@pytest.fixture
def url() -> Iterator[str]:
    """A database in memory, where there is such a folder."""
    with tempfile.TemporaryDirectory(prefix="lifecycle-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
        url = f"sqlite:///{folder}/catalogue.sqlite"
        door = open_url(url)
        Base.metadata.create_all(door.engine)
        door.close()
        yield url


def test_every_job_keeps_one_life(url: str) -> None:
    run(examples=30, steps=25, url=url)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("share", ["first half", "second half"])  # one for each core
def test_every_job_keeps_one_life_in_two_thousand_stories(share: str, url: str) -> None:
    run(examples=1000, steps=25, url=url)
