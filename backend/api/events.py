"""The events of a job as a stream that resumes where it broke off."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict

from backend.api.fields import RowId
from backend.api.rows import job_row
from backend.catalogue import queries
from backend.catalogue.models import EventRow
from backend.deps import Lab, LabDep
from backend.jobs.states import State
from simclr.events import Checkpoint, Evaluation, Log, Progress

router = APIRouter(tags=["jobs"])

EVENTS_AT_ONCE = 500
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


# What the data lines of a job's stream hold; the stream's event name is ``kind`` and its id ``seq``.
STREAMED_EVENTS = (StateEvent, LogEvent, ProgressEvent, EvaluationEvent, CheckpointEvent)


def followed_job(job_id: RowId, lab: LabDep) -> str:
    """The id of a job that exists; looked up before the stream begins, when a refusal can still be sent."""
    lab.streams.check_room()
    with lab.catalogue.reading() as session:
        return job_row(session, job_id).id


@router.get("/jobs/{job_id}/events", response_class=EventSourceResponse)
async def stream_events(
    job_id: Annotated[str, Depends(followed_job)], lab: LabDep, last_event_id: LastEventId = None
) -> AsyncIterator[ServerSentEvent]:
    """The events of a job as they happen, from the first or after Last-Event-ID, until the job has ended."""
    seen = last_event_id or 0
    async with lab.streams.following(job_id) as bell:
        while True:
            bell.clear()
            events, is_over = await run_in_threadpool(_read_events, lab, job_id, seen)
            for event in events:
                yield ServerSentEvent(event=event.kind, id=str(event.seq), data=_data(event))
                seen = event.seq
            if is_over or lab.streams.is_stopping():
                return
            if not events:
                await bell.wait()


def _read_events(lab: Lab, job_id: str, seen: int) -> tuple[Sequence[EventRow], bool]:
    """Events after ``seen``, and whether they are the last that this job will ever have."""
    with lab.catalogue.reading() as session:
        events = queries.events_after(session, job_id, seen, limit=EVENTS_AT_ONCE)
        is_over = State(job_row(session, job_id).state).is_terminal and len(events) < EVENTS_AT_ONCE
    return events, is_over


def _data(event: EventRow) -> dict[str, Any]:
    return {"seq": event.seq, "at": event.at, "kind": event.kind, **event.data}
