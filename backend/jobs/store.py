"""The life of a job as statements on its row: submit, claim, renew, progress, settle, pause, resume, cancel.

Nothing else but the sweeper writes jobs or events. Whoever runs a job holds it by the lease's epoch, which every claim raises by
one; renew, progress and settle name the epoch and change nothing when it is stale. Times come from the catalogue's clock: a wrong
clock changes when something happens, never whether it is right. Every function works inside the caller's ``Catalogue.writing``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from backend.catalogue import queries
from backend.catalogue.engine import now
from backend.catalogue.ids import new_id
from backend.catalogue.models import JOBS, WORKERS, DatasetRow, EncoderRow, JobRow
from backend.jobs import order
from backend.jobs.cells import cell_of_job
from backend.jobs.estimates import UNKNOWN, Estimate
from backend.jobs.imports import parent_of
from backend.jobs.made import dump, record
from backend.jobs.maps import bank_keys, content_of_job
from backend.jobs.moves import CANCELLED, PAUSED, crash, fail, move, move_all, start, stop, tell, tell_state
from backend.jobs.names import name_for
from backend.jobs.needless import end_needless
from backend.jobs.order import UNPINNED, Reach
from backend.jobs.outcomes import Cancelled, Crashed, Failed, Outcome, Paused, Released, Succeeded
from backend.jobs.saved import Saved, forget, keep, keep_epoch, keep_last, saved_of
from backend.jobs.states import Desired, Kind, Lane, State, lane_of
from backend.jobs.timing import DEFAULT, Timing
from simclr.events import Checkpoint, Event, Log, Progress, SavedEpoch

QUEUE_LIMIT = 100
CANCELLING = "Cancelling: the job stops at its next step."
WAITING_AGAIN = "Waiting for a worker again."
PAUSING = "Pausing: the job stops at its next step and keeps what it has computed."

# What becomes at once of a job that does not run: by its state and what is wanted of it, its next state and what is told.
AT_REST = {
    (State.QUEUED, Desired.PAUSE): (State.PAUSED, PAUSED),
    (State.QUEUED, Desired.CANCEL): (State.CANCELLED, CANCELLED),
    (State.PAUSED, Desired.CANCEL): (State.CANCELLED, CANCELLED),
    (State.PAUSED, Desired.RUN): (State.QUEUED, WAITING_AGAIN),
}


class QueueFull(Exception):
    """So many jobs wait already that another one is refused."""


@dataclass(frozen=True)
class Submission:
    """What a person asks for. ``config`` is a dump of the job's config; without ``name`` one is made up.

    A job that ``continues`` another starts from that one's last checkpoint. Higher ``priority`` comes first. One that is
    ``pinned_to`` a device, such as "cuda:1", waits for a worker there. An import has no ``dataset_id`` yet; its ``id`` is given
    where what was sent for it is named by it.
    """

    kind: Kind
    dataset_id: str | None
    config: dict[str, Any]
    encoder_id: str | None = None
    name: str | None = None
    idempotency_key: str | None = None
    priority: int = 0
    submitter: str = ""
    continues: str | None = None
    pinned_to: str | None = None
    estimate: Estimate = UNKNOWN
    id: str | None = None
    grid_id: str | None = None


@dataclass(frozen=True)
class Claim:
    """The right to run a job, good as long as its epoch is. Keys are paths below the data folder.

    ``saved`` are the states to go on from, the best first: its own, else those of the job that it continues. ``bank_keys`` are
    what a map is made of.
    """

    job_id: str
    epoch: int
    kind: Kind
    config: dict[str, Any]
    dataset_key: str | None
    encoder_key: str | None
    saved: tuple[Saved, ...] = ()
    bank_keys: tuple[str, ...] = ()


def submit(session: Session, submission: Submission) -> JobRow:
    """Queue a job, or return the one that was submitted with the same idempotency key.

    Raises:
        QueueFull: ``QUEUE_LIMIT`` jobs are waiting; imports are counted by themselves, those of grids are not.
        IntegrityError: the data set or the encoder does not exist.
    """
    if (key := submission.idempotency_key) and (known := queries.job_with_key(session, key)):
        return known
    lane = lane_of(submission.kind, submission.config)
    waiting = session.scalar(_waiting_alone(is_import=lane is Lane.IMPORT)) or 0
    if waiting >= QUEUE_LIMIT:
        raise QueueFull(f"{waiting} jobs are waiting already: wait until some have run, or cancel some")
    job = new_row(session, submission, now(session))
    try:
        with session.begin_nested():
            session.add(job)
    except IntegrityError:
        # On PostgreSQL another submission with the same key may have come first since we looked.
        if key and (known := queries.job_with_key(session, key)):
            return known
        raise
    tell_state(session, job, waiting_for(job))
    return job


def new_row(session: Session, submission: Submission, moment: float) -> JobRow:
    """The row of a job that waits; not yet in the session."""
    about = submission.encoder_id, submission.dataset_id, submission.config
    cell = None
    if submission.kind is Kind.TRANSFER:
        cell = cell_of_job(session, *about)
    elif submission.kind is Kind.MAP:
        cell = content_of_job(session, submission.dataset_id, submission.config)
    return JobRow(
        id=submission.id or new_id(),
        kind=submission.kind,
        name=submission.name or name_for(session, *about, kind=submission.kind),
        state=State.QUEUED,
        desired=Desired.RUN,
        config=submission.config,
        dataset_id=submission.dataset_id,
        encoder_id=submission.encoder_id,
        idempotency_key=submission.idempotency_key,
        lane=lane_of(submission.kind, submission.config),
        priority=submission.priority,
        submitter=submission.submitter,
        continues=submission.continues,
        pinned_to=submission.pinned_to,
        predicted_s=submission.estimate.seconds,
        predicted_peak_bytes=submission.estimate.peak_bytes,
        dry_run_s=submission.estimate.dry_run_s,
        created_at=moment,
        grid_id=submission.grid_id,
        cell=cell,
    )


def waiting_for(job: JobRow) -> str:
    """What is told of a job that waits."""
    return f"Waiting for a worker{f' on {job.pinned_to}' if job.pinned_to else ''}."


def claim(session: Session, owner: str, timing: Timing = DEFAULT, reach: Reach = UNPINNED) -> Claim | None:
    """Take the job whose turn it is; None when there is none within reach."""
    moment = now(session)
    job = None
    while job is None:
        chosen = session.scalar(order.next_claimable(reach), {order.MOMENT: moment})
        if chosen is None:
            return None
        # Where two claims at once chose the same job, the second one's condition fails, and it chooses again.
        job = session.scalar(
            _taking(reach),
            {order.MOMENT: moment, "chosen": chosen, "taken_by": owner, "until": moment + timing.lease_s},
            execution_options=AS_RETURNED,
        )
    job.started_at = moment
    job.device = session.scalar(DEVICE, {"owner": owner})  # of the table, so that nothing is flushed before
    saved = saved_of(session, job)
    if not saved:
        job.progress = None
    start(session, job, saved, timing)
    # That of which a variant is made may have been deleted: its job fails, and says so.
    dataset = session.get(DatasetRow, job.dataset_id or parent_of(job) or "")
    encoder = session.get_one(EncoderRow, job.encoder_id) if job.encoder_id else None
    return Claim(
        job_id=job.id,
        epoch=job.epoch,
        kind=Kind(job.kind),
        config=job.config,
        dataset_key=(dataset.key or None) if dataset else None,
        encoder_key=encoder.key if encoder else None,
        saved=saved,
        bank_keys=bank_keys(session, job) if job.kind == Kind.MAP else (),
    )


def claimable(session: Session, reach: Reach = UNPINNED) -> int:
    """How many jobs ``claim`` could take now."""
    return session.scalar(_counting(reach), {order.MOMENT: now(session)}) or 0


def desired(session: Session, job_id: str, epoch: int) -> Desired | None:
    """What is wanted of a running job, without touching its lease; None when the epoch is stale."""
    value = session.scalar(DESIRED, {"held_id": job_id, "held_epoch": epoch})
    return Desired(value) if value is not None else None


def renew(session: Session, job_id: str, epoch: int, timing: Timing = DEFAULT) -> Desired | None:
    """Extend the lease and learn what is wanted of the job; None when the epoch is stale: stop working at once."""
    until = now(session) + timing.lease_s
    value = session.scalar(HOLDING, {"held_id": job_id, "held_epoch": epoch, "until": until})
    return Desired(value) if value is not None else None


def progress(session: Session, job_id: str, epoch: int, events: Iterable[Event], timing: Timing = DEFAULT) -> bool:
    """Record what the job told, and extend its lease; False, and nothing recorded, when the epoch is stale."""
    job = _hold(session, job_id, epoch, timing)
    if job is None:
        return False
    told: list[tuple[str, dict[str, Any]]] = []
    for event in events:
        payload = dump(event)
        told.append((payload.pop("kind"), payload))
        if isinstance(event, SavedEpoch):
            keep_epoch(session, job, event)
            told[-1] = event.kind, {"epoch": event.epoch, "step": event.step}
        if isinstance(event, Progress):
            job.progress = payload
        elif isinstance(event, Checkpoint):
            keep(session, job, event)
    tell(session, job, *told)
    return True


def forget_damaged(session: Session, job_id: str, epoch: int, saved: Saved, timing: Timing = DEFAULT) -> bool:
    """A checkpoint's file is missing or is not what was written: no attempt starts from it again; False when stale."""
    job = _hold(session, job_id, epoch, timing)
    if job is None:
        return False
    forget(session, saved)
    log = Log(level="warning", message=f"The checkpoint of step {saved.step} is damaged.")
    tell(session, job, (log.kind, dump(log)))
    return True


def settle(session: Session, job_id: str, epoch: int, outcome: Outcome, timing: Timing = DEFAULT) -> bool:
    """End this attempt: state, result, what it made and the last event in one transaction; False when the epoch is stale."""
    job = _hold(session, job_id, epoch, timing)
    if job is None:
        return False
    job.spent_s += now(session) - (job.started_at or now(session))
    match outcome:
        case Succeeded(result, artefact, peak_bytes):
            job.result = dump(result)
            job.peak_bytes = peak_bytes
            said = record(session, job, result, artefact)
            keep_last(session, job)
            move(session, job, State.SUCCEEDED, said)
        case Failed(code, message):
            fail(session, job, code, message)
        case Crashed(message):
            crash(session, job, message, timing)
        case Cancelled() | Paused() | Released():
            stop(session, job, outcome)
    session.flush()
    end_needless(session, [job.cell])
    return True


def request_pause(session: Session, job_id: str) -> bool:
    """Pause a job: at once when it waits, through its worker when it runs; False when it is over, unknown, or never can be."""
    job = _locked(session, job_id)
    if job is None or State(job.state).is_terminal or job.desired == Desired.CANCEL or not Kind(job.kind).can_pause:
        return False
    asked_before = job.desired == Desired.PAUSE
    job.desired = Desired.PAUSE
    if job.state == State.QUEUED:
        move(session, job, State.PAUSED, PAUSED)
    elif not asked_before:
        tell_state(session, job, PAUSING)
    return True


def request_resume(session: Session, job_id: str) -> bool:
    """Let a paused job, or one that is about to pause, run on; False when nobody paused it."""
    job = _locked(session, job_id)
    if job is None or job.desired != Desired.PAUSE or State(job.state).is_terminal:
        return False
    job.desired = Desired.RUN
    if job.state == State.PAUSED:
        job.crashes, job.not_before = 0, 0.0
        move(session, job, State.QUEUED, WAITING_AGAIN)
    else:
        tell_state(session, job, "Not paused after all.")
    return True


def request_cancel(session: Session, job_id: str) -> bool:
    """Cancel a job: at once when it waits, through its worker when it runs; False when it is over, or unknown."""
    job = _locked(session, job_id)
    if job is None or State(job.state).is_terminal:
        return False
    asked_before = job.desired == Desired.CANCEL
    job.desired = Desired.CANCEL
    if job.state != State.RUNNING:
        move(session, job, State.CANCELLED, CANCELLED)
    elif not asked_before:
        tell_state(session, job, CANCELLING)
    return True


def request_of_many(session: Session, job_ids: Iterable[str], wish: Desired) -> None:
    """Pause, resume or cancel jobs as one; those of which that cannot be wanted are left as they are."""
    one = {Desired.RUN: request_resume, Desired.PAUSE: request_pause, Desired.CANCEL: request_cancel}[wish]
    waiting: list[JobRow] = []
    for some in queries.in_parts(sorted(job_ids)):
        rows = select(JobRow).where(JobRow.id.in_(some)).order_by(JobRow.id).with_for_update()
        for job in session.scalars(rows, execution_options={"populate_existing": True}):
            if (State(job.state), wish) in AT_REST:
                waiting.append(job)
            else:
                one(session, job.id)
    for state, message in {AT_REST[State(job.state), wish] for job in waiting}:
        those = [job for job in waiting if AT_REST[State(job.state), wish] == (state, message)]
        for job in those:
            job.desired = wish
            if wish is Desired.RUN:
                job.crashes, job.not_before = 0, 0.0
        move_all(session, those, state, message)


def _locked(session: Session, job_id: str) -> JobRow | None:
    return session.scalar(LOCKING, {"job_id": job_id})


# The row is what the database returns; otherwise SQLAlchemy would work out beforehand which rows it knows and what they become.
AS_RETURNED = {"populate_existing": True, "synchronize_session": False}


# The statements below are kept, as to compose one takes longer than to execute it.
@cache
def _taking(reach: Reach) -> ReturningUpdate[JobRow]:
    return (
        update(JobRow)
        .where(JobRow.id == bindparam("chosen"), order.is_claimable(reach))
        .values(epoch=JobRow.epoch + 1, owner=bindparam("taken_by"), lease_until=bindparam("until"))
        .returning(JobRow)
    )


@cache
def _waiting_alone(*, is_import: bool) -> Select[int]:
    """How many jobs wait that no grid submitted: imports, or all others."""
    beside = JOBS.c.lane == Lane.IMPORT if is_import else JOBS.c.lane != Lane.IMPORT
    return select(func.count()).where(JOBS.c.state == State.QUEUED, beside, JOBS.c.grid_id.is_(None))


@cache
def _counting(reach: Reach) -> Select[int]:
    return select(func.count()).where(order.is_claimable(reach))


LOCKING = select(JobRow).where(JobRow.id == bindparam("job_id")).with_for_update()
DEVICE = select(WORKERS.c.device).where(WORKERS.c.id == bindparam("owner"))
IS_HELD = and_(
    JOBS.c.id == bindparam("held_id"), JOBS.c.epoch == bindparam("held_epoch"), JOBS.c.state == State.RUNNING
)
DESIRED = select(JOBS.c.desired).where(IS_HELD)
HOLDING = update(JOBS).where(IS_HELD).values(lease_until=bindparam("until")).returning(JOBS.c.desired)


def _hold(session: Session, job_id: str, epoch: int, timing: Timing) -> JobRow | None:
    """The fence: locks the job's row for the rest of the transaction if ``epoch`` still holds it."""
    if renew(session, job_id, epoch, timing) is None:
        return None
    return session.scalar(LOCKING, {"job_id": job_id}, execution_options=AS_RETURNED)
