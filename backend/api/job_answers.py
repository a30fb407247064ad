"""What is answered about jobs, and how any request becomes one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import BackgroundTasks, Header, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from backend.api.rows import dataset_row, encoder_row, job_row
from backend.catalogue import queries
from backend.catalogue.ids import new_id
from backend.catalogue.models import JobRow
from backend.deps import Lab
from backend.errors import ApiError
from backend.jobs import store
from backend.jobs.places import Place, places
from backend.jobs.states import Desired, Kind, Lane, State
from simclr.events import Progress
from simclr.results import JobResult

IdempotencyKey = Annotated[str | None, Header(pattern=r"^[\x21-\x7e]{1,200}$")]
Result = Annotated[JobResult, Field(discriminator="kind")]


class JobErrorOut(BaseModel):
    code: str
    message: str


class JobOut(BaseModel):
    """A job as it stands. ``desired`` is what a person wants; ``state`` follows it.

    ``position`` counts from 1 among the waiting jobs that the same workers take; what is predicted is null where nobody knows.
    ``spent_s`` are seconds of attempts that are over, ``saved_step`` is where the job, or one that continues it, can go on.
    ``device`` is, in words, where it runs or ran last; ``pinned_to`` names the only one where it may. ``dataset_id`` is what an
    import made, null until then. ``grid_id`` is the grid that submitted it.
    """

    id: str
    kind: Kind
    name: str
    state: State
    desired: Desired
    dataset_id: str | None
    encoder_id: str | None
    config: dict[str, Any]
    progress: Progress | None
    result: Result | None
    error: JobErrorOut | None
    crashes: int
    lane: Lane
    priority: int
    submitter: str
    continues: str | None
    grid_id: str | None
    position: int | None
    starts_in_s: float | None
    pinned_to: str | None
    device: str | None
    predicted_s: float | None
    predicted_peak_bytes: int | None
    spent_s: float
    peak_bytes: int | None
    saved_step: int | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    produced_encoder_id: str | None


COPIED = tuple(JobOut.model_fields.keys() & JobRow.__table__.columns.keys())  # as the row has it


class JobsOut(BaseModel):
    items: list[JobOut]


def submitted(lab: Lab, key: str | None, prepare: Callable[[Session], store.Submission]) -> tuple[JobOut, bool]:
    """The job of this key, or what ``prepare`` makes of the request, queued; and whether it is new.

    Whatever only reads is done before and after, as everybody who writes waits for the one transaction between.
    """
    with lab.catalogue.reading() as session:
        if key and (known := queries.job_with_key(session, key)):
            return jobs_out(session, [known])[0], False
        submission = prepare(session)
    submission = replace(submission, id=submission.id or new_id())
    with lab.catalogue.writing() as session:
        job = _queue(session, submission)
    with lab.catalogue.reading() as session:
        # The same request may have come twice at once, and the other one have been first.
        return jobs_out(session, [job_row(session, job.id)])[0], job.id == submission.id


def answered(lab: Lab, submission: tuple[JobOut, bool], after: BackgroundTasks, response: Response) -> JobOut:
    """What ``submitted`` gave, as an answer: the bell rings after it where the job is new; where it is not, the status is 200."""
    job, is_new = submission
    if is_new:
        # After the response: a bell that does not ring costs the job seconds, never its life.
        after.add_task(lab.bell.ring)
    else:
        response.status_code = 200
    return job


def jobs_out(session: Session, rows: Sequence[JobRow]) -> list[JobOut]:
    """Jobs with all that is told of them, in the order of ``rows``."""
    ids = [row.id for row in rows]
    made, steps = queries.encoders_made_by(session, ids), queries.last_steps(session, ids)
    waiting = any(row.state == State.QUEUED for row in rows)
    standing = places(session) if waiting else {}
    return [_job_out(row, made.get(row.id), steps.get(row.id), standing.get(row.id)) for row in rows]


def _queue(session: Session, submission: store.Submission) -> JobRow:
    if submission.dataset_id is not None:
        dataset_row(session, submission.dataset_id, lock="share")  # which may have been deleted since we looked
    if submission.encoder_id is not None:
        encoder_row(session, submission.encoder_id)  # likewise: that of an epoch may be superseded
    try:
        return store.submit(session, submission)
    except store.QueueFull as full:
        raise ApiError(429, "queue_full", f"{full}.") from None


def _job_out(row: JobRow, produced_encoder_id: str | None, saved_step: int | None, place: Place | None) -> JobOut:
    columns = {name: getattr(row, name) for name in COPIED}
    return JobOut.model_validate(
        {
            **columns,
            "error": {"code": row.error_code, "message": row.error_message} if row.error_code else None,
            "produced_encoder_id": produced_encoder_id,
            "saved_step": saved_step,
            "position": place.position if place else None,
            "starts_in_s": place.starts_in_s if place else None,
        }
    )
