"""How a job comes from one state to the next, and what is said of it: works on a row that its caller has locked."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.orm import Session

from backend.catalogue.engine import now
from backend.catalogue.models import EVENTS, JobRow
from backend.catalogue.queries import in_parts
from backend.jobs.outcomes import Cancelled, Paused, Released
from backend.jobs.saved import Saved, saved_of
from backend.jobs.states import MOVES, Desired, State
from backend.jobs.timing import Timing

STARTED = "The job has started."
CANCELLED = "The job was cancelled."
PAUSED = "The job is paused."
LAST_TOLD = (
    select(EVENTS.c.job_id, func.max(EVENTS.c.seq))
    .where(EVENTS.c.job_id.in_(bindparam("job_ids", expanding=True)))
    .group_by(EVENTS.c.job_id)
)
TELLING = insert(EVENTS)


class IllegalMove(Exception):
    """A move that ``states.MOVES`` does not know: a mistake in this package."""


def move(session: Session, job: JobRow, target: State, message: str) -> None:
    """Bring the job into a state, and tell so.

    Raises:
        IllegalMove: ``MOVES`` does not have it.
    """
    move_all(session, [job], target, message)


def move_all(session: Session, jobs: Sequence[JobRow], target: State, message: str) -> None:
    """The same with many, at the cost of one.

    Raises:
        IllegalMove: ``MOVES`` does not have it for one of them.
    """
    at = now(session) if target.is_terminal else None
    for job in jobs:
        if target not in MOVES[State(job.state)]:
            raise IllegalMove(f"job {job.id}: {job.state} → {target}")
        job.state = target
        if target is not State.RUNNING:
            job.owner = None
            job.lease_until = None
        if target.is_terminal:
            job.finished_at = at
    _tell_all(session, jobs, ("state", {"state": target.value, "message": message}))


def crash(session: Session, job: JobRow, message: str, timing: Timing) -> None:
    """An attempt died: the job waits for another one, or has failed after too many."""
    if job.desired != Desired.RUN:
        stop(session, job, Paused())
        return
    job.crashes += 1
    if job.crashes >= timing.crashes_allowed:
        since = " without a new checkpoint" if saved_of(session, job) else ""
        fail(session, job, "crashed", f"{message}. That was attempt {job.crashes} of {timing.crashes_allowed}{since}.")
        return
    if job.epoch >= timing.attempts_allowed:
        fail(session, job, "crashed", f"{message}. That was attempt {job.epoch}, and no job gets more.")
        return
    wait_s = timing.backoff_after(job.crashes)
    job.not_before = now(session) + wait_s
    move(session, job, State.QUEUED, f"{message}. It {_way_on(session, job)} in {wait_s:g} s, {_attempt(job, timing)}.")


def stop(session: Session, job: JobRow, outcome: Cancelled | Paused | Released) -> None:
    """An attempt ended on request: what the job comes to is what is wanted of it by now."""
    match Desired(job.desired), outcome:
        case (Desired.CANCEL, _) | (_, Cancelled()):
            move(session, job, State.CANCELLED, CANCELLED)
        case Desired.PAUSE, _:
            move(session, job, State.PAUSED, f"{PAUSED} It {_way_on(session, job)} when you resume it.")
        case _, Released():
            move(session, job, State.QUEUED, f"The lab was stopped; the job {_way_on(session, job)} when it is back.")
        case _:
            move(session, job, State.QUEUED, f"Not paused after all: it {_way_on(session, job)}.")


def start(session: Session, job: JobRow, saved: tuple[Saved, ...], timing: Timing) -> None:
    """An attempt begins, where ``saved`` says."""
    move(session, job, State.RUNNING, _beginning(job, saved, timing))


def _beginning(job: JobRow, saved: tuple[Saved, ...], timing: Timing) -> str:
    if job.crashes:
        how = f"Resumed after a crash at epoch {saved[0].passes}" if saved else "Started again after a crash"
        return f"{how} ({_attempt(job, timing)})."
    return f"The job goes on from {_place(saved[0])}." if saved else STARTED


def _attempt(job: JobRow, timing: Timing) -> str:
    return f"attempt {job.crashes + 1} of {timing.crashes_allowed}"


def _way_on(session: Session, job: JobRow) -> str:
    saved = saved_of(session, job)
    return f"goes on from {_place(saved[0])}" if saved else "starts again from the beginning"


def _place(saved: Saved) -> str:
    return f"epoch {saved.passes} (step {saved.step})"


def fail(session: Session, job: JobRow, code: str, message: str) -> None:
    """The job has ended badly; ``code`` is for programs."""
    job.error_code = code
    job.error_message = message
    move(session, job, State.FAILED, message)


def tell_state(session: Session, job: JobRow, message: str) -> None:
    """Append an event about the state that the job is in."""
    tell(session, job, ("state", {"state": State(job.state).value, "message": message}))


def tell(session: Session, job: JobRow, *told: tuple[str, dict[str, Any]]) -> None:
    """Append events, each a kind and its data; the row lock that the caller holds on the job makes the next numbers ours."""
    _tell_all(session, [job], *told)


def _tell_all(session: Session, jobs: Sequence[JobRow], *told: tuple[str, dict[str, Any]]) -> None:
    session.flush()
    last: dict[str, int] = {}
    for some in in_parts(job.id for job in jobs):
        last.update((job_id, seq) for job_id, seq in session.execute(LAST_TOLD, {"job_ids": some}))
    at = now(session)
    rows = [
        {"job_id": job.id, "seq": seq, "epoch": job.epoch, "kind": kind, "data": data, "at": at}
        for job in jobs
        for seq, (kind, data) in enumerate(told, start=last.get(job.id, 0) + 1)
    ]
    if rows:
        session.execute(TELLING, rows)
