"""How long a job will take and how much memory it will hold, from what like jobs took here; and when it may start.

Nothing is guessed without a precedent. Every job that succeeds is one more, so estimates follow the machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.catalogue.engine import now
from backend.catalogue.models import DatasetRow, JobRow
from backend.jobs import order
from backend.jobs.states import Kind, State

LATEST = 200  # jobs that are looked through
ENOUGH = 5  # like jobs that are used


@dataclass(frozen=True)
class Estimate:
    """``seconds`` of work and ``peak_bytes`` of memory, None without a precedent; ``jobs`` like it were looked at."""

    seconds: float | None
    peak_bytes: int | None
    jobs: int


@dataclass(frozen=True)
class Place:
    """A waiting job's position, 1 is next, and the seconds until it may start; None where a job before it is unknown."""

    position: int
    starts_in_s: float | None


def estimate(session: Session, kind: Kind, config: dict[str, Any], dataset: DatasetRow) -> Estimate:
    """By the median cost of an image in the latest jobs of the same work on images of the same shape."""
    wanted, size = _likeness(kind, config, dataset.info), _images(kind, config, dataset.info)
    rows = session.execute(
        select(JobRow, DatasetRow.info)
        .join(DatasetRow, DatasetRow.id == JobRow.dataset_id)
        .where(JobRow.kind == kind, JobRow.state == State.SUCCEEDED, JobRow.continues.is_(None))
        .order_by(JobRow.id.desc())
        .limit(LATEST)
    )
    like = [(job, info) for job, info in rows if _likeness(kind, job.config, info) == wanted][:ENOUGH]
    costs = [job.spent_s / _images(kind, job.config, info) for job, info in like]
    peaks = [job.peak_bytes for job, _ in like if job.peak_bytes is not None]
    return Estimate(
        seconds=median(costs) * size if costs else None, peak_bytes=max(peaks) if peaks else None, jobs=len(like)
    )


def places(session: Session, slots: int) -> dict[str, Place]:
    """By job id, for all that wait; ``slots`` is how many jobs run at a time."""
    waiting = order.waiting_in_turn(session)
    if not waiting:
        return {}
    rows = {row.id: row for row in session.scalars(select(JobRow).where(JobRow.id.in_(waiting)))}
    running = session.scalars(select(JobRow).where(JobRow.state == State.RUNNING)).all()
    left: Sequence[float | None] = [_left(job, now(session)) for job in running]
    ahead: float | None = None if None in left else sum(known for known in left if known is not None)
    found: dict[str, Place] = {}
    for position, job_id in enumerate(waiting, start=1):
        # With a free slot the next one starts at once.
        idle = len(running) + position <= slots
        found[job_id] = Place(position, 0.0 if idle else None if ahead is None else ahead / max(1, slots))
        predicted = rows[job_id].predicted_s
        ahead = None if ahead is None or predicted is None else ahead + predicted
    return found


def _left(job: JobRow, moment: float) -> float | None:
    """Seconds that a running job still needs, by what it says, else by what was predicted."""
    eta = (job.progress or {}).get("eta_s")
    if eta is not None:
        return float(eta)
    return None if job.predicted_s is None else max(0.0, job.predicted_s - (moment - (job.started_at or moment)))


def _likeness(kind: Kind, config: dict[str, Any], info: dict[str, Any]) -> tuple[Any, ...]:
    """What the cost of an image depends on."""
    shape = info.get("image_size"), info.get("channels")
    if kind is Kind.PRETRAIN:
        encoder = config.get("encoder", {})
        return (*shape, config.get("batch_size"), *(encoder.get(name) for name in ("architecture", "width", "stem")))
    return (*shape, config.get("strategy"))


def _images(kind: Kind, config: dict[str, Any], info: dict[str, Any]) -> int:
    """How many images are worked on: all of them once, or the training split once an epoch."""
    epochs = int(config.get("epochs") or 0)
    if kind is Kind.PRETRAIN or epochs:
        return max(1, epochs * int(info.get("split_sizes", {}).get("train", 0)))
    return max(1, int(info.get("n", 0)))
