"""Signs of life: which worker processes are there, and on which device they compute."""

from dataclasses import dataclass

from sqlalchemy import delete
from sqlalchemy.orm import Session

from backend.catalogue.engine import now
from backend.catalogue.models import WorkerRow
from backend.jobs.timing import Timing

SEEN_S = 30.0  # a worker that has said so within this time is alive


@dataclass(frozen=True)
class Presence:
    """One worker process; ``owner`` is the name that its jobs carry."""

    owner: str
    host: str
    pid: int


def say_alive(session: Session, who: Presence, device: str | None) -> None:
    """Record that the worker lives. ``device`` in words; None as long as it is not known."""
    session.merge(WorkerRow(id=who.owner, host=who.host, pid=who.pid, device=device, seen_at=now(session)))


def say_goodbye(session: Session, who: Presence) -> None:
    """Record that the worker is leaving."""
    session.execute(delete(WorkerRow).where(WorkerRow.id == who.owner))


def forget_silent(session: Session, timing: Timing) -> None:
    """Remove workers that left without a word long ago."""
    session.execute(delete(WorkerRow).where(WorkerRow.seen_at < now(session) - timing.forget_worker_s))
