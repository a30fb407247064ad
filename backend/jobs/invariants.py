"""What is true of every lab at any time, checked: the catalogue's rows among themselves, and against the files.

Each violation is a sentence that names the job and what to do. Nothing here changes anything.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.catalogue.engine import now
from backend.catalogue.models import (
    BankRow,
    CheckpointRow,
    DatasetRow,
    EncoderRow,
    EventRow,
    GridCellRow,
    GridRow,
    JobRow,
    MapRow,
    ResultRow,
)
from backend.catalogue.queries import bank_key
from backend.jobs.imports import STAGING, UPLOADED, awaited_uploads
from backend.jobs.saved import in_use
from backend.jobs.states import Desired, Kind, State
from simclr.datasets.store import INFO
from simclr.runs import sha256_of

LAPSED_S = 60.0
STRAY_S = 3600.0
REPORT = "report it with logs/worker.log"
MADE: dict[Kind, type[EncoderRow | ResultRow | BankRow | MapRow]] = {
    Kind.PRETRAIN: EncoderRow,
    Kind.TRANSFER: ResultRow,
    Kind.EMBED: BankRow,
    Kind.MAP: MapRow,
}


def violations(session: Session, folder: Path, *, stray_s: float = STRAY_S) -> list[str]:
    """All that is wrong in the catalogue and below the data folder ``folder``; empty when nothing is.

    Files may change while they are looked at: on a lab at work only what two looks find is true.

    Args:
        session: One consistent snapshot.
        folder: The data folder.
        stray_s: Files younger than so many seconds need no meaning yet.
    """
    checks: tuple[Callable[[Session], Iterator[str]], ...] = (
        _lapsed_leases, _epochs_from_the_future, _endings, _gaps, _makings, _imports, _grids,
    )  # fmt: skip
    found = [sentence for check in checks for sentence in check(session)]
    files = (_checkpoints(session, folder), _artefacts(session, folder))
    strays = (_strays(session, folder, stray_s), _strays_of_imports(session, folder, stray_s))
    return [*found, *(sentence for sentences in (*files, *strays) for sentence in sentences)]


def _lapsed_leases(session: Session) -> Iterator[str]:
    late = JobRow.lease_until.is_(None) | (JobRow.lease_until < now(session) - LAPSED_S)
    for job_id in session.scalars(select(JobRow.id).where(JobRow.state == State.RUNNING, late)):
        yield (
            f"job {job_id} is running, but its worker has been silent for more than {LAPSED_S:g} s and no other has "
            "taken it: start a worker"
        )


def _epochs_from_the_future(session: Session) -> Iterator[str]:
    for rows, what in ((EventRow, "an event"), (CheckpointRow, "a checkpoint")):
        later = select(JobRow.id, JobRow.epoch, func.max(rows.epoch)).join(rows, rows.job_id == JobRow.id)
        for job_id, epoch, found in session.execute(later.where(rows.epoch > JobRow.epoch).group_by(JobRow.id)):
            yield f"job {job_id} is at attempt {epoch}, but has {what} of attempt {found}: {REPORT}"


def _endings(session: Session) -> Iterator[str]:
    said = EventRow.data["state"].as_string()
    ends = (
        select(EventRow.job_id, func.count().label("n"), func.max(said).label("state"))
        .where(EventRow.kind == "state", said.in_([state.value for state in State if state.is_terminal]))
        .group_by(EventRow.job_id)
        .subquery()
    )
    rows = select(JobRow.id, JobRow.state, ends.c.n, ends.c.state).outerjoin(ends, ends.c.job_id == JobRow.id)
    for job_id, state, count, told in session.execute(rows):
        if State(state).is_terminal and (count != 1 or told != state):
            yield f"job {job_id} is {state}, but {count or 0} events tell its end, not one that says so: {REPORT}"
        elif not State(state).is_terminal and count:
            yield f"job {job_id} is {state}, but an event tells that it {told}: {REPORT}"


def _gaps(session: Session) -> Iterator[str]:
    numbers = func.min(EventRow.seq), func.max(EventRow.seq), func.count()
    for job_id, first, last, count in session.execute(select(EventRow.job_id, *numbers).group_by(EventRow.job_id)):
        if (first, last) != (1, count):
            yield f"job {job_id} has {count} events numbered {first} to {last}, with gaps: {REPORT}"
    silent = ~select(EventRow.seq).where(EventRow.job_id == JobRow.id).exists()
    for job_id in session.scalars(select(JobRow.id).where(silent)):
        yield f"job {job_id} has no events: {REPORT}"


def _makings(session: Session) -> Iterator[str]:
    for kind, rows in MADE.items():
        made = select(func.count()).where(rows.job_id == JobRow.id).correlate(JobRow).scalar_subquery()
        jobs = select(JobRow.id, JobRow.state, JobRow.encoder_id, JobRow.dataset_id, JobRow.result.is_not(None), made)
        jobs = jobs.where(JobRow.kind == kind)
        for job_id, state, encoder_id, dataset_id, has_result, count in session.execute(jobs):
            has_succeeded = state == State.SUCCEEDED
            if count == has_succeeded or (kind is Kind.TRANSFER and has_succeeded and not count and not has_result):
                continue
            # A later job that embeds the same images puts its bank in the place of this one's.
            same = (BankRow.encoder_id == encoder_id, BankRow.dataset_id == dataset_id)
            if count == 0 and kind is Kind.EMBED and session.scalar(select(BankRow.id).where(*same)):
                continue
            # So does a later map of the same; and none is kept whose encoder was deleted while it was made.
            if count == 0 and kind is Kind.MAP:
                continue
            thing = rows.__tablename__
            advice = "run it again" if not count else REPORT
            yield f"job {job_id} ({kind}) is {state}, but {count} rows name it as what made {thing}: {advice}"


def _imports(session: Session) -> Iterator[str]:
    early = (JobRow.kind == Kind.IMPORT, JobRow.state != State.SUCCEEDED, JobRow.dataset_id.is_not(None))
    for job_id, state in session.execute(select(JobRow.id, JobRow.state).where(*early)):
        yield f"job {job_id} (import) is {state}, but names a data set as what it made: {REPORT}"


def _grids(session: Session) -> Iterator[str]:
    computes = select(JobRow.id).where(JobRow.cell == GridCellRow.cell).exists()
    for grid_id, place in session.execute(select(GridCellRow.grid_id, GridCellRow.place).where(~computes)):
        yield f"grid {grid_id} has a cell, number {place}, that no job computes: resume the grid"
    wanted = select(GridRow.id).join(GridCellRow, GridCellRow.grid_id == GridRow.id)
    wanted = wanted.where(GridCellRow.cell == JobRow.cell, GridRow.desired != Desired.CANCEL)
    unwanted = (JobRow.state.in_([State.QUEUED, State.RUNNING, State.PAUSED]), JobRow.desired != Desired.CANCEL)
    for job_id in session.scalars(select(JobRow.id).where(JobRow.grid_id.is_not(None), *unwanted, ~wanted.exists())):
        yield f"job {job_id} goes on although every grid with it was cancelled: cancel it"


def _checkpoints(session: Session, folder: Path) -> Iterator[str]:
    for row in session.scalars(select(CheckpointRow).order_by(CheckpointRow.job_id, CheckpointRow.step)):
        if (damage := _damage(folder / row.key, row.sha256)) is not None:
            yield (
                f"job {row.job_id}: the checkpoint of step {row.step}, {row.key}, {damage}; the job goes on from an earlier "
                "one: look after the disk"
            )


def _artefacts(session: Session, folder: Path) -> Iterator[str]:
    for dataset in session.scalars(select(DatasetRow).where(DatasetRow.key != "")):
        if not (folder / dataset.key / INFO).is_file():
            yield f"data set {dataset.id}, {dataset.name}: {dataset.key} is missing: restore it, or import it again"
    for encoder in session.scalars(select(EncoderRow)):
        if not (folder / encoder.key).is_file():
            maker = f"job {encoder.job_id}" if encoder.job_id else "the lab"
            yield f"encoder {encoder.id} of {maker}: {encoder.key} is missing: restore it, or make it again"
    kept = select(ResultRow.id, ResultRow.job_id, ResultRow.predictions).where(ResultRow.predictions.is_not(None))
    for result_id, job_id, key in session.execute(kept):
        if not (folder / str(key)).is_file():
            yield f"result {result_id} of job {job_id}: {key} is missing: restore it, or delete the result and run it again"
    for bank in session.scalars(select(BankRow)):
        for key in filter(None, (bank_key(bank, "h"), bank_key(bank, "z"))):
            if not (folder / key).is_file():
                yield f"bank {bank.id} of job {bank.job_id}: {key} is missing: restore it, or embed again"
    for drawn in session.scalars(select(MapRow)):
        if not (folder / drawn.key).is_file():
            yield f"map {drawn.id}: {drawn.key} is missing: look at it on the Map page, which makes it again"


def _strays(session: Session, folder: Path, stray_s: float) -> Iterator[str]:
    for jobs_folder in sorted((folder / "jobs").glob("*")):
        needed = in_use(session, jobs_folder.name)
        for path in sorted(jobs_folder.rglob("*")):
            key = str(path.relative_to(folder))
            is_needed = key in needed.files or (needed.folder is not None and key.startswith(f"{needed.folder}/"))
            if not is_needed and path.is_file() and _is_old(path, stray_s):
                yield f"job {jobs_folder.name}: nothing needs {key}: delete it"


def _strays_of_imports(session: Session, folder: Path, stray_s: float) -> Iterator[str]:
    known = {folder / key for key in session.scalars(select(DatasetRow.key))}
    for made in sorted(set((folder / "datasets").glob("*")) - known):
        if _is_old(made, stray_s):
            yield f"no data set is in {made.relative_to(folder)}: delete it"
    for upload in sorted(set((folder / STAGING).glob(f"*{UPLOADED}")) - awaited_uploads(session, folder)):
        if _is_old(upload, stray_s):
            yield f"no import needs {upload.relative_to(folder)}: delete it"


def _damage(path: Path, sha256: str) -> str | None:
    try:
        return None if sha256_of(path) == sha256 else "is not what was written"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error})"


def _is_old(path: Path, stray_s: float) -> bool:
    try:
        # Written by this machine's clock, not the catalogue's.
        return time.time() - path.stat().st_mtime >= stray_s
    except FileNotFoundError:
        return False
