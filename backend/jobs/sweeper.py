"""Takes jobs from workers that have fallen silent. Every worker sweeps, every few seconds; two at once do no harm."""

from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from backend.catalogue.engine import now
from backend.catalogue.models import JobRow
from backend.jobs.moves import crash
from backend.jobs.order import UNPINNED, Reach
from backend.jobs.states import State
from backend.jobs.store import claimable
from backend.jobs.timing import DEFAULT, Timing

SILENT = "The worker that ran this job fell silent"
# Kept, as to compose it takes longer than to execute it.
LAPSED = (
    select(JobRow)
    .where(JobRow.state == State.RUNNING, JobRow.lease_until < bindparam("moment"))
    .with_for_update(skip_locked=True)
)


@dataclass(frozen=True)
class Swept:
    """What a sweep did with jobs whose lease had lapsed, and how many jobs could be claimed now, within reach."""

    requeued: int
    ended: int
    waiting: int


def sweep(session: Session, timing: Timing = DEFAULT, reach: Reach = UNPINNED) -> Swept:
    """Take jobs from workers whose lease has lapsed: back into the queue, or to their end after too many crashes."""
    lapsed = session.scalars(LAPSED, {"moment": now(session)}).all()
    for job in lapsed:
        job.spent_s += max(0.0, (job.lease_until or 0.0) - timing.lease_s - (job.started_at or 0.0))
        crash(session, job, SILENT, timing)
    requeued = sum(job.state == State.QUEUED for job in lapsed)
    return Swept(requeued=requeued, ended=len(lapsed) - requeued, waiting=claimable(session, reach))
