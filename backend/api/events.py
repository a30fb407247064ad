"""The events of a job as a stream that resumes where it broke off."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict

from backend.api.fields import RowId
from backend.api.rows import job_row
from backend.deps import LabDep
from backend.jobs.states import State
from backend.security import COOKIE
from backend.streams import Follower
from simclr.events import Checkpoint, Evaluation, Log, Progress

router = APIRouter(tags=["jobs"])

LastEventId = Annotated[int | None, Header(ge=0, le=2**53)]


class StateEvent(BaseModel):
    """The job came into a state, and why."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

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


class CheckpointEvent(Checkpoint):
    seq: int
    at: float


class SavedEpochEvent(BaseModel):
    """The encoder of an epoch of a pretraining can be used from now on."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    seq: int
    at: float
    kind: Literal["saved_epoch"] = "saved_epoch"
    epoch: int
    step: int


# What the data lines of a job's stream hold; the stream's event name is ``kind`` and its id ``seq``.
STREAMED_EVENTS = (StateEvent, LogEvent, ProgressEvent, EvaluationEvent, CheckpointEvent, SavedEpochEvent)


async def followed(request: Request, job_id: RowId, lab: LabDep) -> AsyncIterator[Follower]:
    """A place among those who follow a job that exists; taken before the stream begins, when a refusal can still be sent."""

    def look() -> None:
        with lab.catalogue.reading() as session:
            job_row(session, job_id)

    await run_in_threadpool(look)
    with lab.streams.following(job_id, request.cookies.get(COOKIE)) as follower:
        yield follower


@router.get("/jobs/{job_id}/events", response_class=EventSourceResponse)
async def stream_events(
    follower: Annotated[Follower, Depends(followed)], lab: LabDep, last_event_id: LastEventId = None
) -> AsyncIterator[ServerSentEvent]:
    """The events of a job as they happen, from the first or after Last-Event-ID, until the job has ended.

    Of a long curve that is told again only about 1,000 points are; every other event is.
    """
    async for told in lab.streams.events(follower, last_event_id or 0):
        yield ServerSentEvent(event=told.kind, id=str(told.seq), raw_data=told.text)
