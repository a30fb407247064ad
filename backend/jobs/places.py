"""Where waiting jobs stand and when each may start: the queue played forward over the workers that are there."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.catalogue.engine import now
from backend.catalogue.models import JobRow
from backend.jobs import order, presence
from backend.jobs.order import Reach
from backend.jobs.states import State


@dataclass(frozen=True)
class Place:
    """A waiting job's position among those that a worker of its could take instead, 1 is next; and the seconds until it may
    start, None where no worker is there for it or a job before it is unknown."""

    position: int
    starts_in_s: float | None


@dataclass(frozen=True)
class Waiting:
    """What decides about a waiting job's place; ``rests_s`` it waits after a crash in any case."""

    lane: str
    pinned_to: str | None
    predicted_s: float | None
    rests_s: float = 0.0


def places(session: Session) -> dict[str, Place]:
    """By job id, for all that wait."""
    jobs, moment = [job for job, *_ in order.waiting_in_turn(session)], now(session)
    return dict(zip((job.id for job in jobs), _play(session, [_waiting(job, moment) for job in jobs]), strict=True))


def place_of_new(session: Session, job: Waiting, submitter: str, priority: int) -> Place:
    """Where a job would stand if it were submitted now."""
    mine = -priority, *order.round_of_new(session, submitter, priority)
    queue, moment = order.waiting_in_turn(session), now(session)
    before = [_waiting(other, moment) for other, *turn in queue if (-other.priority, *turn) <= mine]
    return list(_play(session, [*before, job]))[-1]


def has_idle_worker(session: Session, lane: str, pinned_to: str | None) -> bool:
    """Whether a worker that would take such a job has nothing to do."""
    reaches, free_in_s = _seats(session)
    return any(left == 0.0 and reach.covers(lane, pinned_to) for reach, left in zip(reaches, free_in_s, strict=True))


def _play(session: Session, queue: Sequence[Waiting]) -> Iterator[Place]:
    """The places of ``queue``, in turn: each job goes where it can start first."""
    if not queue:
        return
    reaches, free_in_s = _seats(session)
    taken: Counter[frozenset[int]] = Counter()  # jobs before, by who may take them
    for job in queue:
        able = frozenset(n for n, reach in enumerate(reaches) if reach.covers(job.lane, job.pinned_to))
        position = 1 + sum(n for others, n in taken.items() if able & others or not (able or others))
        taken[able] += 1
        seat = min(able, key=lambda n: (free_in_s[n] is None, free_in_s[n]), default=None)
        starts_in_s = free_in_s[seat] if seat is not None else None
        # A worker whose end is unknown may be free before one whose end is known; only an idle one is sure.
        if starts_in_s and any(free_in_s[n] is None for n in able):
            starts_in_s = None
        if starts_in_s is not None:
            starts_in_s = max(starts_in_s, job.rests_s)
        if seat is not None:
            is_known = starts_in_s is not None and job.predicted_s is not None
            free_in_s[seat] = (starts_in_s or 0.0) + (job.predicted_s or 0.0) if is_known else None
        yield Place(position, starts_in_s)


def _seats(session: Session) -> tuple[list[Reach], list[float | None]]:
    """What every living worker may take, and the seconds until it is free, None where nobody knows."""
    running = {job.owner: job for job in session.scalars(select(JobRow).where(JobRow.state == State.RUNNING))}
    workers = presence.alive(session)
    moment = now(session)
    free_in_s = [_left(running[worker.id], moment) if worker.id in running else 0.0 for worker in workers]
    return [presence.reach_of(worker) for worker in workers], free_in_s


def _left(job: JobRow, moment: float) -> float | None:
    """Seconds that a running job still needs, by what it says, else by what was predicted."""
    eta = (job.progress or {}).get("eta_s")
    if eta is not None:
        return float(eta)
    return None if job.predicted_s is None else max(0.0, job.predicted_s - (moment - (job.started_at or moment)))


def _waiting(job: JobRow, moment: float) -> Waiting:
    return Waiting(job.lane, job.pinned_to, job.predicted_s, max(0.0, job.not_before - moment))
