"""How long a job will take and how much memory it will hold, from what like jobs took here.

Nothing is guessed without a precedent. Every job that succeeds is one more, so estimates follow the machine.
"""

from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.catalogue.models import DatasetRow, JobRow
from backend.jobs.states import Kind, State

LATEST = 200  # jobs that are looked through
ENOUGH = 5  # like jobs that are used

Source = Literal["history", "dry_run"]


@dataclass(frozen=True)
class Estimate:
    """``seconds`` of work and ``peak_bytes`` of memory, None where nobody knows; ``jobs`` like it were looked at.

    ``dry_run_s`` is what a dry run alone foretold. While one ``is_pending``, there will be more to say in a moment.
    """

    seconds: float | None = None
    peak_bytes: int | None = None
    jobs: int = 0
    source: Source | None = None
    dry_run_s: float | None = None
    is_pending: bool = False
    advice: str | None = None


UNKNOWN = Estimate()


def estimate(session: Session, kind: Kind, config: dict[str, Any], dataset: DatasetRow) -> Estimate:
    """By the median cost of an image in the latest jobs of the same work on images of the same shape."""
    wanted, size = _likeness(kind, config, dataset.info), _images(kind, config, dataset.info)
    rows = session.execute(
        select(JobRow, DatasetRow.info)
        .join(DatasetRow, DatasetRow.id == JobRow.dataset_id)
        .where(JobRow.kind == kind, JobRow.state == State.SUCCEEDED, JobRow.continues.is_(None))
        .order_by(JobRow.id.desc())
        .limit(LATEST)
    )
    like = [(job, info) for job, info in rows if _likeness(kind, job.config, info) == wanted][:ENOUGH]
    costs = [job.spent_s / _images(kind, job.config, info) for job, info in like]
    peaks = [job.peak_bytes for job, _ in like if job.peak_bytes is not None]
    if not costs:
        return UNKNOWN
    return Estimate(median(costs) * size, max(peaks) if peaks else None, len(like), "history")


def _likeness(kind: Kind, config: dict[str, Any], info: dict[str, Any]) -> tuple[Any, ...]:
    """What the cost of an image depends on."""
    shape = info.get("image_size"), info.get("channels")
    if kind is Kind.PRETRAIN:
        encoder = config.get("encoder", {})
        return (*shape, config.get("batch_size"), *(encoder.get(name) for name in ("architecture", "width", "stem")))
    return (*shape, config.get("strategy"))


def _images(kind: Kind, config: dict[str, Any], info: dict[str, Any]) -> int:
    """How many images are worked on: all of them once, or the training split once an epoch."""
    epochs = int(config.get("epochs") or 0)
    if kind is Kind.PRETRAIN or epochs:
        return max(1, epochs * int(info.get("split_sizes", {}).get("train", 0)))
    return max(1, int(info.get("n", 0)))
