"""Jobs: submitting, watching and stopping them."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, Header, Query, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field

from backend.api.fields import Name, RowId
from backend.deps import LabDep
from backend.jobs.states import Desired, Kind, State
from simclr.config import EmbedConfig, PretrainConfig, TransferConfig
from simclr.events import Evaluation, Log, Progress
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


class StateEvent(BaseModel):
    """The job came into a state, and why."""

    seq: int
    at: float
    kind: Literal["state"] = "state"
    state: State
    message: str


class LogEvent(Log):
    seq: int
    at: float


class ProgressEvent(Progress):
    seq: int
    at: float


class EvaluationEvent(Evaluation):
    seq: int
    at: float


# What the data lines of a job's stream hold; the stream's event name is ``kind`` and its id ``seq``.
STREAMED_EVENTS = (StateEvent, LogEvent, ProgressEvent, EvaluationEvent)


IdempotencyKey = Annotated[str | None, Header(pattern=r"^[\x21-\x7e]{1,200}$")]
LastEventId = Annotated[int | None, Header(ge=0, le=2**53)]


@router.post("/jobs", status_code=201, responses={200: {"model": JobOut, "description": "This key was used: its job."}})
def submit_job(
    body: JobIn, bell: BackgroundTasks, response: Response, lab: LabDep, idempotency_key: IdempotencyKey = None
) -> JobOut:
    """Queue a job; with an Idempotency-Key, sending it again changes nothing."""
    raise NotImplementedError


@router.get("/jobs")
def list_jobs(query: Annotated[JobsQuery, Query()], lab: LabDep) -> JobsOut:
    """Jobs, newest first."""
    raise NotImplementedError


@router.get("/jobs/{job_id}")
def read_job(job_id: RowId, lab: LabDep) -> JobOut:
    """One job."""
    raise NotImplementedError


@router.post("/jobs/{job_id}/cancel")
def cancel_job(job_id: RowId, lab: LabDep) -> JobOut:
    """Ask a job to stop; 409 when it has ended."""
    raise NotImplementedError


@router.get("/jobs/{job_id}/events", response_class=EventSourceResponse)
async def stream_events(
    job_id: RowId, lab: LabDep, last_event_id: LastEventId = None
) -> AsyncIterator[ServerSentEvent]:
    """The events of a job as they happen, from the first or after Last-Event-ID, until the job has ended."""
    raise NotImplementedError
    yield
