"""What is read from the catalogue: short questions, newest first where there is an order."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import Any, Literal, TypeVar

from sqlalchemy import MappingResult, Text, and_, bindparam, cast, func, or_, select
from sqlalchemy.orm import Session

from backend.catalogue.models import (
    BankRow,
    CheckpointRow,
    DatasetRow,
    EncoderRow,
    EventRow,
    JobRow,
    ResultRow,
    WorkerRow,
)
from simclr.runs import PROJECTIONS

AT_ONCE = 500  # values in one statement; SQLite takes 999 at least
Item = TypeVar("Item")
# Kept, as every attempt at a job, or every submission, asks for them, and to compose them takes longer than to execute them.
NEWEST_FIRST = (
    select(CheckpointRow).where(CheckpointRow.job_id == bindparam("job_id")).order_by(CheckpointRow.step.desc())
)
WITH_KEY = select(JobRow).where(JobRow.idempotency_key == bindparam("key"))


def in_parts(items: Iterable[Item]) -> Iterator[Sequence[Item]]:
    """As many at once as a statement takes."""
    every = list(items)
    for start in range(0, len(every), AT_ONCE):
        yield every[start : start + AT_ONCE]


def datasets(session: Session) -> Sequence[DatasetRow]:
    """Those whose images are there."""
    return session.scalars(select(DatasetRow).where(DatasetRow.key != "").order_by(DatasetRow.id.desc())).all()


def dataset(session: Session, dataset_id: str) -> DatasetRow | None:
    return session.get(DatasetRow, dataset_id)


def dataset_with_content(session: Session, content_hash: str) -> DatasetRow | None:
    """The set that holds exactly these images, labels and splits."""
    return session.scalar(select(DatasetRow).where(DatasetRow.content_hash == content_hash))


def encoders(session: Session) -> Sequence[EncoderRow]:
    """Those that are listed."""
    return session.scalars(select(EncoderRow).where(EncoderRow.listed).order_by(EncoderRow.id.desc())).all()


def encoder(session: Session, encoder_id: str) -> EncoderRow | None:
    return session.get(EncoderRow, encoder_id)


def encoder_with_content(session: Session, sha256: str) -> EncoderRow | None:
    """The encoder whose file has this digest."""
    return session.scalar(select(EncoderRow).where(EncoderRow.sha256 == sha256).limit(1))


def encoders_made_by(session: Session, job_ids: Iterable[str]) -> dict[str, str]:
    """Encoder id by job id, for the jobs among ``job_ids`` that made one."""
    wanted = list(job_ids)
    rows = session.execute(select(EncoderRow.job_id, EncoderRow.id).where(EncoderRow.job_id.in_(wanted)))
    return {job_id: encoder_id for job_id, encoder_id in rows if job_id is not None}


def encoders_of_run(session: Session, job_id: str) -> dict[int, str]:
    """Ids of the listed encoders that are earlier states of a pretraining, by step."""
    early = (EncoderRow.run_id == job_id, EncoderRow.listed)
    rows = session.execute(select(EncoderRow.step, EncoderRow.id).where(*early))
    return {step: encoder_id for step, encoder_id in rows if step is not None}


def encoders_on_the_way(session: Session, job_id: str) -> Sequence[EncoderRow]:
    """All states of a pretraining, and of those that it continues, by step; of the same step the latest job's."""
    found: dict[int, EncoderRow] = {}
    passed: set[str] = set()
    maker: str | None = job_id
    while maker is not None and maker not in passed:
        passed.add(maker)
        its_own = or_(EncoderRow.run_id == maker, EncoderRow.job_id == maker)
        for row in session.scalars(select(EncoderRow).where(its_own, EncoderRow.step.is_not(None))):
            found.setdefault(row.step or 0, row)
        maker = session.scalar(select(JobRow.continues).where(JobRow.id == maker))
    return [found[step] for step in sorted(found)]


def checkpoints(session: Session, job_id: str) -> Sequence[CheckpointRow]:
    """A job's checkpoints, the newest first."""
    return session.scalars(NEWEST_FIRST, {"job_id": job_id}).all()


def last_steps(session: Session, job_ids: Iterable[str]) -> dict[str, int]:
    """The step of the newest checkpoint by job id, for the jobs among ``job_ids`` that have one."""
    statement = (
        select(CheckpointRow.job_id, func.max(CheckpointRow.step))
        .where(CheckpointRow.job_id.in_(list(job_ids)))
        .group_by(CheckpointRow.job_id)
    )
    return {row[0]: row[1] for row in session.execute(statement)}


def embedded_datasets(session: Session) -> dict[str, dict[str, bool]]:
    """The data sets that each encoder has embedded, by encoder id: by their ids, whether z is there beside h."""
    found: defaultdict[str, dict[str, bool]] = defaultdict(dict)
    rows = select(BankRow.encoder_id, BankRow.dataset_id, BankRow.projection_dim.is_not(None))
    for encoder_id, dataset_id, has_z in session.execute(rows.order_by(BankRow.dataset_id)):
        found[encoder_id][dataset_id] = has_z
    return dict(found)


def bank_key(bank: BankRow, features: Literal["h", "z"]) -> str | None:
    """The path below the data folder of a bank's h or z; None where it has no z."""
    if features == "h":
        return bank.key
    return None if bank.projection_dim is None else str(PurePath(bank.key).with_name(PROJECTIONS))


def bank(session: Session, encoder_id: str, dataset_id: str) -> BankRow | None:
    """The embeddings of a data set under an encoder, where they were made."""
    return session.scalar(select(BankRow).where(BankRow.encoder_id == encoder_id, BankRow.dataset_id == dataset_id))


def jobs(
    session: Session,
    *,
    state: str | None = None,
    kind: str | None = None,
    before: str | None = None,
    named: str | None = None,
    limit: int = 100,
) -> Sequence[JobRow]:
    """The newest of those that came before the job ``before`` and have ``named`` in their names, whatever its case."""
    statement = select(JobRow).order_by(JobRow.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(JobRow.id < before)
    if named is not None:
        statement = statement.where(JobRow.name.icontains(named, autoescape=True))
    if state is not None:
        statement = statement.where(JobRow.state == state)
    if kind is not None:
        statement = statement.where(JobRow.kind == kind)
    return session.scalars(statement).all()


def job(session: Session, job_id: str) -> JobRow | None:
    return session.get(JobRow, job_id)


def job_with_key(session: Session, idempotency_key: str) -> JobRow | None:
    """The job that was submitted with this idempotency key."""
    return session.scalar(WITH_KEY, {"key": idempotency_key})


def job_counts(session: Session) -> dict[str, int]:
    """Number of jobs by state; states without jobs are absent."""
    counted = session.execute(select(JobRow.state, func.count()).group_by(JobRow.state))
    return {row[0]: row[1] for row in counted}


def events_after(session: Session, job_id: str, seq: int, *, limit: int = 500) -> Sequence[EventRow]:
    """A job's events with a number above ``seq``, ascending, without gaps."""
    return session.scalars(
        select(EventRow).where(EventRow.job_id == job_id, EventRow.seq > seq).order_by(EventRow.seq).limit(limit)
    ).all()


def told(session: Session, job_id: str, kind: str) -> Sequence[dict[str, Any]]:
    """What all events of a kind say, in their order."""
    wanted = (EventRow.job_id == job_id, EventRow.kind == kind)
    return session.scalars(select(EventRow.data).where(*wanted).order_by(EventRow.seq)).all()


def numbers_after(session: Session, job_id: str, seq: int, *, points: int) -> list[int]:
    """Numbers above ``seq`` of a job's events, ascending; of its progress about ``points``, evenly spaced, and the last."""
    later = and_(EventRow.job_id == job_id, EventRow.seq > seq)
    is_progress = EventRow.kind == "progress"
    count, last = session.execute(select(func.count(), func.max(EventRow.seq)).where(later, is_progress)).one()
    stride = max(1, -(-count // points))
    ordinal = func.row_number().over(order_by=EventRow.seq).label("ordinal")
    curve = select(EventRow.seq, ordinal).where(later, is_progress).subquery()
    kept = select(curve.c.seq).where(or_(curve.c.ordinal % stride == 0, curve.c.seq == last))
    return sorted(session.scalars(select(EventRow.seq).where(later, ~is_progress).union_all(kept)))


def last_number(session: Session, job_id: str) -> int:
    """The number of a job's last event."""
    return session.scalar(select(func.max(EventRow.seq)).where(EventRow.job_id == job_id)) or 0


def events_numbered(session: Session, job_id: str, numbers: Sequence[int]) -> Sequence[EventRow]:
    """A job's events of these numbers, ascending."""
    wanted = (EventRow.job_id == job_id, EventRow.seq.in_(numbers))
    return session.scalars(select(EventRow).where(*wanted).order_by(EventRow.seq)).all()


def results(session: Session, *, dataset_id: str | None = None, result_id: str | None = None) -> MappingResult:
    """Columns of the results but for the content, with the job's ``config`` and ``grid_id``, and names of encoder and set.

    ``summary``, ``tags`` and ``config`` are JSON texts, as of thousands of results nobody wants to read and write each. They are
    read as they are asked for, so that not all are held at once.
    """
    columns = ResultRow.__table__.columns
    as_text = {name: cast(columns[name], Text).label(name) for name in ("summary", "tags")}
    statement = (
        select(
            *(as_text.get(column.name, column) for column in columns if column.name != "content"),
            cast(JobRow.config, Text).label("config"),
            JobRow.grid_id.label("grid_id"),
            EncoderRow.name.label("encoder_name"),
            EncoderRow.origin.label("encoder_origin"),
            DatasetRow.name.label("dataset_name"),
        )
        .join(JobRow, ResultRow.job_id == JobRow.id)
        .join(EncoderRow, ResultRow.encoder_id == EncoderRow.id)
        .join(DatasetRow, ResultRow.dataset_id == DatasetRow.id)
        .order_by(ResultRow.id.desc())
    )
    if dataset_id is not None:
        statement = statement.where(ResultRow.dataset_id == dataset_id)
    if result_id is not None:
        statement = statement.where(ResultRow.id == result_id)
    return session.execute(statement, execution_options={"yield_per": 100}).mappings()


def workers_seen_since(session: Session, moment: float) -> Sequence[WorkerRow]:
    """Workers that said they are alive at ``moment`` (UTC seconds) or later, the latest first."""
    return session.scalars(
        select(WorkerRow).where(WorkerRow.seen_at >= moment).order_by(WorkerRow.seen_at.desc())
    ).all()
