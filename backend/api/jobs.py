"""Jobs: submitting, watching and stopping them."""

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, BackgroundTasks, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from backend.api.checks import check_device, check_job
from backend.api.fields import Device, Name, RowId
from backend.api.job_answers import IdempotencyKey, JobOut, JobsOut, answered, jobs_out, submitted
from backend.api.rows import dataset_row, encoder_row, job_row
from backend.catalogue import queries
from backend.catalogue.models import JobRow
from backend.deps import Lab, LabDep
from backend.errors import ApiError
from backend.jobs import dry_runs, estimates, store
from backend.jobs.imports import remove_leftovers
from backend.jobs.places import Waiting, has_idle_worker, place_of_new
from backend.jobs.states import Kind, State, lane_of
from backend.remembered import BRIEFLY_S
from simclr.config import EmbedConfig, PretrainConfig, TransferConfig
from simclr.datasets import DatasetInfo

router = APIRouter(tags=["jobs"])


class _JobIn(BaseModel):
    """``submitter`` is whoever asks, by any name: those who wait take turns. Higher ``priority`` comes first. A job with a
    ``device`` runs on no other; workers name theirs in /api/system."""

    dataset_id: RowId
    name: Name | None = None
    submitter: Name | None = None
    priority: Annotated[int, Field(ge=-1, le=1)] | None = None
    device: Device | None = None


class PretrainJobIn(_JobIn):
    kind: Literal["pretrain"]
    config: PretrainConfig


class TransferJobIn(_JobIn):
    kind: Literal["transfer"]
    encoder_id: RowId
    config: TransferConfig


class EmbedJobIn(_JobIn):
    kind: Literal["embed"]
    encoder_id: RowId
    config: EmbedConfig = EmbedConfig()


JobIn = Annotated[PretrainJobIn | TransferJobIn | EmbedJobIn, Field(discriminator="kind")]


class AgainIn(BaseModel):
    """``epochs``: as many in all, more than the job had; without it the job is tried again as it was."""

    epochs: Annotated[int, Field(ge=2, le=1000)] | None = None


class EstimateOut(BaseModel):
    """What a job would take, and from where that is known; null where nobody knows.

    Of its ``source`` "history", ``jobs`` like it were looked at; in a "dry_run" an idle worker took a few steps of a pretraining.
    While one is ``pending``, ask again in a second. ``advice`` says what would fit where memory ran out in it. ``waiting`` jobs
    would be before this one, and it would start in ``starts_in_s``.
    """

    seconds: float | None
    peak_bytes: int | None
    source: estimates.Source | None
    jobs: int
    pending: bool
    advice: str | None
    waiting: int
    starts_in_s: float | None


class JobsQuery(BaseModel):
    """``before`` is the last job of the page before; ``named`` occurs in the names, whatever its case."""

    state: State | None = None
    kind: Kind | None = None
    before: RowId | None = None
    named: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    limit: int = Query(100, ge=1, le=500)


@router.post("/jobs", status_code=201, responses={200: {"model": JobOut, "description": "This key was used: its job."}})
def submit_job(
    body: JobIn, after: BackgroundTasks, response: Response, lab: LabDep, idempotency_key: IdempotencyKey = None
) -> JobOut:
    """Queue a job; with an Idempotency-Key, sending it again changes nothing."""
    return answered(
        lab, submitted(lab, idempotency_key, lambda session: _asked(session, body, idempotency_key)), after, response
    )


@router.get("/jobs", response_model=JobsOut)
def list_jobs(query: Annotated[JobsQuery, Query()], lab: LabDep) -> Response:
    """Jobs, newest first."""
    asked = query.model_dump()

    def find() -> JobsOut:
        with lab.catalogue.reading() as session:
            return JobsOut(items=jobs_out(session, queries.jobs(session, **asked)))

    return lab.remembered.answer(("jobs", *asked.values()), find, BRIEFLY_S)


@router.get("/jobs/{job_id}")
def read_job(job_id: RowId, lab: LabDep) -> JobOut:
    """One job."""
    with lab.catalogue.reading() as session:
        return jobs_out(session, [job_row(session, job_id)])[0]


@router.post("/jobs/{job_id}/cancel")
def cancel_job(job_id: RowId, lab: LabDep) -> JobOut:
    """Ask a job to stop; 409 when it has ended."""
    with lab.catalogue.writing() as session:
        job = job_row(session, job_id)
        if not store.request_cancel(session, job_id):
            raise ApiError(409, "job_is_over", f"{job.name} has ended ({job.state}), so it cannot be cancelled.")
        session.refresh(job)
        answer = jobs_out(session, [job])[0]
    if answer.kind is Kind.IMPORT:
        with lab.catalogue.reading() as session:
            remove_leftovers(session, lab.folder)
    return answer


@router.post("/jobs/{job_id}/pause")
def pause_job(job_id: RowId, lab: LabDep) -> JobOut:
    """Let a job stop at its next step and keep what it has computed; 409 when it cannot be paused."""
    with lab.catalogue.reading() as session:
        job = job_row(session, job_id)
        if not Kind(job.kind).can_pause:
            why = "is an import, which cannot be paused, as it would start over: let it run, or cancel it."
            raise ApiError(409, "not_possible_now", f"{job.name} {why}")
    return _ask(lab, job_id, store.request_pause, "cannot be paused")


@router.post("/jobs/{job_id}/resume")
def resume_job(job_id: RowId, after: BackgroundTasks, lab: LabDep) -> JobOut:
    """Let a paused job run on; 409 when nobody paused it."""
    resumed = _ask(lab, job_id, store.request_resume, "is not paused, so it cannot be resumed")
    after.add_task(lab.bell.ring)
    return resumed


@router.post(
    "/jobs/{job_id}/again",
    status_code=201,
    responses={200: {"model": JobOut, "description": "This key was used: its job."}},
)
def run_again(
    job_id: RowId,
    body: AgainIn,
    after: BackgroundTasks,
    response: Response,
    lab: LabDep,
    idempotency_key: IdempotencyKey = None,
) -> JobOut:
    """A new job that goes on where this one ended, with more epochs if asked; 409 while it has not ended."""
    submission = submitted(
        lab, idempotency_key, lambda session: _again(session, job_row(session, job_id), body, idempotency_key)
    )
    return answered(lab, submission, after, response)


@router.post("/jobs/estimate")
def estimate_job(body: JobIn, after: BackgroundTasks, lab: LabDep) -> EstimateOut:
    """What a job would take, and when it would start, were it submitted now; of a pretraining, an idle worker tries it out."""
    kind, config = Kind(body.kind), body.config.model_dump(mode="json")
    with lab.catalogue.reading() as session:
        dataset = dataset_row(session, body.dataset_id)
        encoder = None if isinstance(body, PretrainJobIn) else encoder_row(session, body.encoder_id)
        found = estimates.estimate(session, kind, config, dataset, body.device, encoder)
        place = place_of_new(
            session,
            Waiting(lane_of(kind, config), body.device, found.seconds),
            body.submitter or "",
            body.priority or 0,
        )
        is_tried = found.wants_dry_run and has_idle_worker(session, lane_of(kind, config), body.device)
    if is_tried:
        with lab.catalogue.writing() as session:
            dataset_row(session, body.dataset_id, lock="share")  # which may have been deleted since we looked
            dry_runs.ask(session, config, body.dataset_id, body.device)
        after.add_task(lab.bell.ring)
    return EstimateOut(
        seconds=found.seconds,
        peak_bytes=found.peak_bytes,
        source=found.source,
        jobs=found.jobs,
        pending=is_tried,
        advice=found.advice,
        waiting=place.position - 1,
        starts_in_s=place.starts_in_s,
    )


def _ask(lab: Lab, job_id: str, request: Callable[[Session, str], bool], refusal: str) -> JobOut:
    with lab.catalogue.writing() as session:
        job = job_row(session, job_id)
        if not request(session, job_id):
            raise ApiError(409, "not_possible_now", f"{job.name} ({job.state}) {refusal}.")
        session.refresh(job)
        return jobs_out(session, [job])[0]


def _again(session: Session, job: JobRow, body: AgainIn, key: str | None) -> store.Submission:
    if not State(job.state).is_terminal:
        raise ApiError(
            409, "not_possible_now", f"{job.name} ({job.state}) has not ended: resume it, or wait for its end."
        )
    config = job.config
    if body.epochs is not None:
        known = config.get("epochs")
        if job.kind != Kind.PRETRAIN or known is None:
            raise ApiError(422, "no_epochs", f"{job.name} is no pretraining, so it cannot go on for more epochs.")
        if body.epochs <= known:
            raise ApiError(422, "too_few_epochs", f"epochs is {body.epochs}, but {job.name} had {known}: ask for more.")
        config = PretrainConfig.model_validate(config | {"epochs": body.epochs}).model_dump(mode="json")
    elif job.state == State.SUCCEEDED:
        raise ApiError(409, "not_possible_now", f"{job.name} is done: give more epochs, or submit a changed copy.")
    if job.kind == Kind.IMPORT:
        return _import_again(job, key)
    if job.dataset_id is None:
        raise ApiError(
            409, "not_possible_now", f"The images of {job.name} were deleted: import them, and start a new job."
        )
    dataset = dataset_row(session, job.dataset_id)
    return store.Submission(
        kind=Kind(job.kind),
        dataset_id=dataset.id,
        config=config,
        encoder_id=job.encoder_id,
        name=job.name,
        idempotency_key=key,
        priority=job.priority,
        submitter=job.submitter,
        continues=job.id,
        pinned_to=job.pinned_to,
        estimate=estimates.estimate_of_rest(session, job, config, dataset),
    )


def _import_again(job: JobRow, key: str | None) -> store.Submission:
    if job.config.get("origin") == "upload":
        raise ApiError(409, "upload_gone", f"What was sent for {job.name} is no longer here: send it again.")
    return store.Submission(Kind.IMPORT, None, job.config, name=job.name, idempotency_key=key, submitter=job.submitter)


def _asked(session: Session, body: PretrainJobIn | TransferJobIn | EmbedJobIn, key: str | None) -> store.Submission:
    dataset = dataset_row(session, body.dataset_id)
    encoder = None if isinstance(body, PretrainJobIn) else encoder_row(session, body.encoder_id)
    check_job(body.config, DatasetInfo.model_validate(dataset.info), dataset.name, encoder)
    check_device(session, body.device)
    config = body.config.model_dump(mode="json")
    return store.Submission(
        kind=Kind(body.kind),
        dataset_id=dataset.id,
        config=config,
        encoder_id=encoder.id if encoder else None,
        name=body.name,
        idempotency_key=key,
        priority=body.priority or 0,
        submitter=body.submitter or "",
        pinned_to=body.device,
        estimate=estimates.estimate(session, Kind(body.kind), config, dataset, body.device, encoder),
    )
