"""Jobs: submitting, watching and stopping them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, Header, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from backend.api.checks import check_job
from backend.api.fields import Name, RowId
from backend.api.rows import dataset_row, encoder_row, job_row
from backend.catalogue import queries
from backend.catalogue.models import JobRow
from backend.deps import LabDep
from backend.errors import ApiError
from backend.jobs import store
from backend.jobs.states import Desired, Kind, State
from simclr.config import EmbedConfig, PretrainConfig, TransferConfig
from simclr.datasets import DatasetInfo
from simclr.events import Progress
from simclr.results import EmbedResult, PretrainResult, TransferResult

router = APIRouter(tags=["jobs"])


class PretrainJobIn(BaseModel):
    kind: Literal["pretrain"]
    dataset_id: RowId
    config: PretrainConfig
    name: Name | None = None


class TransferJobIn(BaseModel):
    kind: Literal["transfer"]
    dataset_id: RowId
    encoder_id: RowId
    config: TransferConfig
    name: Name | None = None


class EmbedJobIn(BaseModel):
    kind: Literal["embed"]
    dataset_id: RowId
    encoder_id: RowId
    config: EmbedConfig = EmbedConfig()
    name: Name | None = None


JobIn = Annotated[PretrainJobIn | TransferJobIn | EmbedJobIn, Field(discriminator="kind")]
Result = Annotated[PretrainResult | TransferResult | EmbedResult, Field(discriminator="kind")]


class JobErrorOut(BaseModel):
    code: str
    message: str


class JobOut(BaseModel):
    """A job as it stands. ``desired`` is what a person wants; ``state`` follows it."""

    id: str
    kind: Kind
    name: str
    state: State
    desired: Desired
    dataset_id: str
    encoder_id: str | None
    config: dict[str, Any]
    progress: Progress | None
    result: Result | None
    error: JobErrorOut | None
    crashes: int
    created_at: float
    started_at: float | None
    finished_at: float | None
    produced_encoder_id: str | None


class JobsOut(BaseModel):
    items: list[JobOut]


class JobsQuery(BaseModel):
    state: State | None = None
    kind: Kind | None = None
    limit: int = Query(100, ge=1, le=500)


IdempotencyKey = Annotated[str | None, Header(pattern=r"^[\x21-\x7e]{1,200}$")]


@router.post("/jobs", status_code=201, responses={200: {"model": JobOut, "description": "This key was used: its job."}})
def submit_job(
    body: JobIn, after: BackgroundTasks, response: Response, lab: LabDep, idempotency_key: IdempotencyKey = None
) -> JobOut:
    """Queue a job; with an Idempotency-Key, sending it again changes nothing."""
    with lab.catalogue.writing() as session:
        known = queries.job_with_key(session, idempotency_key) if idempotency_key else None
        job = known or _submit(session, body, idempotency_key)
        submitted = _jobs_out(session, [job])[0]
    if known:
        response.status_code = 200
    else:
        # After the response: a bell that does not ring costs the job seconds, never its life.
        after.add_task(lab.bell.ring)
    return submitted


@router.get("/jobs")
def list_jobs(query: Annotated[JobsQuery, Query()], lab: LabDep) -> JobsOut:
    """Jobs, newest first."""
    with lab.catalogue.reading() as session:
        rows = queries.jobs(session, state=query.state, kind=query.kind, limit=query.limit)
        return JobsOut(items=_jobs_out(session, rows))


@router.get("/jobs/{job_id}")
def read_job(job_id: RowId, lab: LabDep) -> JobOut:
    """One job."""
    with lab.catalogue.reading() as session:
        return _jobs_out(session, [job_row(session, job_id)])[0]


@router.post("/jobs/{job_id}/cancel")
def cancel_job(job_id: RowId, lab: LabDep) -> JobOut:
    """Ask a job to stop; 409 when it has ended."""
    with lab.catalogue.writing() as session:
        job = job_row(session, job_id)
        if not store.request_cancel(session, job_id):
            raise ApiError(409, "job_is_over", f"{job.name} has ended ({job.state}), so it cannot be cancelled.")
        session.refresh(job)
        return _jobs_out(session, [job])[0]


def _submit(session: Session, body: PretrainJobIn | TransferJobIn | EmbedJobIn, key: str | None) -> JobRow:
    dataset = dataset_row(session, body.dataset_id)
    encoder = None if isinstance(body, PretrainJobIn) else encoder_row(session, body.encoder_id)
    check_job(body.config, DatasetInfo.model_validate(dataset.info), dataset.name, encoder)
    submission = store.Submission(
        kind=Kind(body.kind),
        dataset_id=dataset.id,
        config=body.config.model_dump(mode="json"),
        encoder_id=encoder.id if encoder else None,
        name=body.name,
        idempotency_key=key,
    )
    try:
        return store.submit(session, submission)
    except store.QueueFull as full:
        raise ApiError(429, "queue_full", f"{full}.") from None


def _jobs_out(session: Session, rows: Sequence[JobRow]) -> list[JobOut]:
    made = queries.encoders_made_by(session, [row.id for row in rows])
    return [_job_out(row, made.get(row.id)) for row in rows]


def _job_out(row: JobRow, produced_encoder_id: str | None) -> JobOut:
    error = {"code": row.error_code, "message": row.error_message} if row.error_code else None
    columns = {name: getattr(row, name) for name in JobOut.model_fields.keys() & JobRow.__table__.columns.keys()}
    return JobOut.model_validate({**columns, "error": error, "produced_encoder_id": produced_encoder_id})
