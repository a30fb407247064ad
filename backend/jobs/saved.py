"""Checkpoints and encoders of epochs as the catalogue knows them: a file counts as one only once its row is committed."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.catalogue.engine import now
from backend.catalogue.models import CheckpointRow, DatasetRow, EncoderRow, JobRow
from backend.catalogue.queries import checkpoints
from backend.jobs.states import Kind, State
from simclr.events import Checkpoint, SavedEpoch
from simclr.runs import LAST_GOOD

NEWEST_KEPT = 2


@dataclass(frozen=True)
class Saved:
    """A checkpoint that the catalogue knows: its path below the data folder, its digest, and how far the training was."""

    key: str
    sha256: str
    step: int
    passes: int


def jobs_key(job_id: str) -> str:
    """The folder of a job's attempts, below the data folder."""
    return f"jobs/{job_id}"


def run_key(job_id: str, epoch: int) -> str:
    """The folder of an attempt, below the data folder; nobody else writes there."""
    return f"{jobs_key(job_id)}/{epoch}"


def saved_of(session: Session, job: JobRow) -> tuple[Saved, ...]:
    """The newest first; a job without checkpoints has those of the job that it continues."""
    with session.no_autoflush:  # who asks is about to change the job, and writes it once, when its change is told
        for job_id in (job.id, job.continues):
            if job_id is not None and (rows := checkpoints(session, job_id)):
                return tuple(Saved(row.key, row.sha256, row.step, row.passes) for row in rows)
    return ()


@dataclass(frozen=True)
class InUse:
    """What has a meaning of all that a job's attempts wrote: single files, and the folder of one attempt as a whole."""

    files: frozenset[str]
    folder: str | None


def in_use(session: Session, job_id: str) -> InUse:
    """Keys of checkpoints and epochs, and of the folder in which the job runs or has succeeded: an import, with new images."""
    files = set(session.scalars(select(CheckpointRow.key).where(CheckpointRow.job_id == job_id)))
    files.update(session.scalars(select(EncoderRow.key).where(EncoderRow.run_id == job_id)))
    job = session.get(JobRow, job_id)
    if job is None:
        return InUse(frozenset(files), None)
    folder = run_key(job.id, job.epoch)
    if job.state == State.FAILED:
        files.add(f"{folder}/{LAST_GOOD}")  # which the message of a training that diverged names
    has_result = job.kind != Kind.TRANSFER or job.result is not None  # else it was deleted
    is_needed = job.state == State.RUNNING or (job.state == State.SUCCEEDED and has_result)
    if job.state == State.SUCCEEDED and job.kind == Kind.IMPORT:
        holds_a_set = select(DatasetRow.id).where(DatasetRow.key.startswith(f"{folder}/", autoescape=True))
        is_needed = session.scalar(holds_a_set.limit(1)) is not None
    return InUse(frozenset(files), folder if is_needed else None)


def remove_unused(session: Session, data_folder: Path, job_id: str) -> None:
    """Remove what the attempts of a job that has ended left and nobody needs."""
    needed = in_use(session, job_id)
    for folder in (data_folder / jobs_key(job_id)).glob("*"):
        if needed.folder is None or folder != data_folder / needed.folder:
            for path in set(folder.glob("*")) - {data_folder / key for key in needed.files}:
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it is not empty, or no folder
            folder.rmdir()
    with contextlib.suppress(OSError):
        (data_folder / jobs_key(job_id)).rmdir()


def finish_deletions_of_results(session: Session, data_folder: Path) -> None:
    """At the start: remove files of results whose rows went before a crash."""
    deleted = (JobRow.kind == Kind.TRANSFER, JobRow.state == State.SUCCEEDED, JobRow.result.is_(None))
    for job_id in session.scalars(select(JobRow.id).where(*deleted)):
        if (data_folder / jobs_key(job_id)).is_dir():
            remove_unused(session, data_folder, job_id)


def keep(session: Session, job: JobRow, event: Checkpoint) -> None:
    """From here on the file is a checkpoint, and earlier crashes are forgiven. The newest two stay, and the best by k-NN."""
    row = CheckpointRow(
        job_id=job.id, step=event.step, epoch=job.epoch, passes=event.epoch, key=f"{run_key(job.id, job.epoch)}/{event.name}",
        sha256=event.sha256, knn_accuracy=event.knn_accuracy, at=now(session),
    )  # fmt: skip
    session.merge(row)
    session.flush()
    job.crashes = 0
    _forget_all_but(session, checkpoints(session, job.id), NEWEST_KEPT)


def keep_epoch(session: Session, job: JobRow, event: SavedEpoch) -> None:
    """From here on the file is an encoder; one that an earlier attempt left of this epoch stays instead, as it may be in use.

    Those of other epochs that are not to be kept go, but for those with which something was made.
    """
    saved = select(EncoderRow).where(EncoderRow.run_id == job.id, EncoderRow.epoch.is_not(None))
    rows = {row.epoch: row for row in session.scalars(saved)}
    if event.epoch not in rows:
        row = EncoderRow(
            name=f"{job.name}, epoch {event.epoch}", origin=event.description["origin"], sha256=event.sha256,
            key=f"{run_key(job.id, job.epoch)}/{event.name}", description=event.description, dataset_id=job.dataset_id,
            created_at=now(session), run_id=job.id, step=event.step, epoch=event.epoch, listed=False,
        )  # fmt: skip
        session.add(row)
    for epoch, row in rows.items():
        if epoch not in event.kept and not row.listed:
            with contextlib.suppress(IntegrityError), session.begin_nested():  # something refers to it
                session.delete(row)


def forget(session: Session, saved: Saved) -> None:
    """A checkpoint whose file is damaged is none any more."""
    session.execute(delete(CheckpointRow).where(CheckpointRow.key == saved.key))


def keep_last(session: Session, job: JobRow) -> None:
    """Of a training that succeeded the last state is of use, for more epochs, and the best by k-NN, as an encoder to compare.

    Of a map none is.
    """
    _forget_all_but(session, checkpoints(session, job.id), 0 if job.kind == Kind.MAP else 1)


def _forget_all_but(session: Session, rows: Sequence[CheckpointRow], newest: int) -> None:
    looked_at = [row for row in rows if row.knn_accuracy is not None]
    best = max(looked_at, key=lambda row: row.knn_accuracy or 0.0, default=None)
    for row in rows[newest:]:
        if row is not best:
            session.delete(row)
