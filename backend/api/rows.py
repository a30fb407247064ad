"""Finding rows that a request names, or saying which one does not exist."""

from typing import Any, Literal

from sqlalchemy.orm import Session

from backend.catalogue import queries
from backend.catalogue.models import DatasetRow, EncoderRow, JobRow, ResultRow
from backend.errors import ApiError, not_found
from simclr.datasets import Dataset
from simclr.datasets.store import UNLABELLED


def dataset_row(session: Session, dataset_id: str, *, lock: Literal["share", "update"] | None = None) -> DatasetRow:
    """A data set whose images are there.

    In PostgreSQL, ``lock`` "share" keeps it from being deleted until the transaction ends, "update" others from sharing it; in
    SQLite whoever writes is alone.
    """
    locks: dict[str, Any] = {"share": {"read": True, "key_share": True}, "update": True}
    row = session.get(DatasetRow, dataset_id, with_for_update=locks[lock] if lock else None)
    if row is None:
        raise _no_dataset(dataset_id)
    if not row.key:
        message = f"The images of {row.name} were deleted: import the same ones again, and all that was made of them is whole."
        raise ApiError(410, "dataset_deleted", message)
    return row


def known_dataset(session: Session, dataset_id: str) -> DatasetRow:
    """A data set whose images may have been deleted, for who asks only what was made of it."""
    row = queries.dataset(session, dataset_id)
    if row is None:
        raise _no_dataset(dataset_id)
    return row


def encoder_row(session: Session, encoder_id: str) -> EncoderRow:
    row = queries.encoder(session, encoder_id)
    if row is None:
        raise not_found("encoder", encoder_id, "GET /api/encoders lists those there are")
    return row


def job_row(session: Session, job_id: str) -> JobRow:
    row = queries.job(session, job_id)
    if row is None:
        raise not_found("job", job_id, "GET /api/jobs lists those there are")
    return row


def result_row(session: Session, result_id: str) -> ResultRow:
    row = session.get(ResultRow, result_id)
    if row is None:
        raise not_found("result", result_id, "GET /api/results lists those there are")
    return row


def check_index(dataset: Dataset, row: DatasetRow, index: int, status: int, path: str) -> None:
    """Refuse an image number beyond the end of the set."""
    if index >= len(dataset):
        message = f"{row.name} has {len(dataset)} images, numbered from 0: there is no image {index}."
        raise ApiError(status, "unknown_image", message, path)


def label_of(dataset: Dataset, index: int) -> tuple[int | None, str | None]:
    """An image's label and the name of its class; None and None where it has no label."""
    label = int(dataset.labels[index])
    return (None, None) if label == UNLABELLED else (label, dataset.classes[label])


def _no_dataset(dataset_id: str) -> ApiError:
    return not_found("data set", dataset_id, "GET /api/datasets lists those there are")
