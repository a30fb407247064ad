"""Signs of life: which worker processes are there, on which device they compute, and which jobs they take."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete
from sqlalchemy.orm import Session

from backend.catalogue import queries
from backend.catalogue.engine import now
from backend.catalogue.models import WorkerRow
from backend.jobs.order import UNPINNED, Reach
from backend.jobs.states import Lane
from backend.jobs.timing import Timing

SEEN_S = 30.0  # a worker that has said so within this time is alive


@dataclass(frozen=True)
class Presence:
    """One worker process. ``owner`` is the name that its jobs carry; ``device``, in words, is None until it is known."""

    owner: str
    host: str
    pid: int
    reach: Reach = UNPINNED
    device: str | None = None


def say_alive(session: Session, who: Presence) -> None:
    """Record that the worker lives."""
    session.merge(
        WorkerRow(
            id=who.owner,
            host=who.host,
            pid=who.pid,
            device=who.device,
            device_name=who.reach.device,
            lanes=",".join(sorted(who.reach.lanes)),
            seen_at=now(session),
        )
    )


def say_goodbye(session: Session, who: Presence) -> None:
    """Record that the worker is leaving."""
    session.execute(delete(WorkerRow).where(WorkerRow.id == who.owner))


def alive(session: Session) -> Sequence[WorkerRow]:
    """Workers that said they live a moment ago, the latest first."""
    return queries.workers_seen_since(session, now(session) - SEEN_S)


def reach_of(worker: WorkerRow) -> Reach:
    """Which jobs it may take."""
    return Reach(frozenset(Lane(lane) for lane in worker.lanes.split(",")), worker.device_name)


def forget_silent(session: Session, timing: Timing) -> None:
    """Remove workers that left without a word long ago."""
    session.execute(delete(WorkerRow).where(WorkerRow.seen_at < now(session) - timing.forget_worker_s))
