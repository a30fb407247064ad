"""How long a job will take and how much memory it will hold: from what like jobs took here, else from a dry run.

What a dry run foretells is corrected by what jobs took that one had foretold, so estimates follow the machine. Transfers and
embeddings are not tried: of them only history tells.
"""

from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.catalogue import queries
from backend.catalogue.models import DatasetRow, EncoderRow, JobRow
from backend.jobs import dry_runs
from backend.jobs.states import Kind, State
from backend.jobs.transfer_costs import AT_ONCE, ENOUGH, LATEST, TransferCosts
from simclr.config import PretrainConfig

LEARNED_FROM = 20  # jobs that had a dry run
MOST_CORRECTED = 4.0  # times, up or down

Source = Literal["history", "dry_run"]


@dataclass(frozen=True)
class Estimate:
    """``seconds`` of work and ``peak_bytes`` of memory, None where nobody knows; ``jobs`` like it were looked at.

    ``dry_run_s`` is what a dry run alone foretold; where it ``wants_dry_run``, one would say more. ``advice`` is for whoever
    would run out of memory.
    """

    seconds: float | None = None
    peak_bytes: int | None = None
    jobs: int = 0
    source: Source | None = None
    dry_run_s: float | None = None
    wants_dry_run: bool = False
    advice: str | None = None


UNKNOWN = Estimate()


def estimate_transfer(
    costs: TransferCosts, config: dict[str, Any], dataset: DatasetRow, encoder: EncoderRow
) -> Estimate:
    """By like transfers; of many, with the same ``costs``."""
    known = costs.of(config, dataset, encoder)
    return Estimate(*known, "history") if known is not None else UNKNOWN


def estimate(
    session: Session,
    kind: Kind,
    config: dict[str, Any],
    dataset: DatasetRow,
    pinned_to: str | None = None,
    encoder: EncoderRow | None = None,
) -> Estimate:
    """By jobs of the same work on images of the same shape, else by a dry run, else by jobs with other batches.

    ``encoder`` is what a transfer is about.
    """
    if kind is Kind.TRANSFER:
        return estimate_transfer(TransferCosts(session), config, dataset, encoder) if encoder else UNKNOWN
    foretold = _from_dry_run(session, config, dataset, pinned_to) if kind is Kind.PRETRAIN else UNKNOWN
    known = _from_history(session, kind, config, dataset, exactly=True)
    if known is not None:
        return Estimate(*known, "history", foretold.dry_run_s)
    if foretold.source is not None or not foretold.wants_dry_run:
        return foretold
    similar = _from_history(session, kind, config, dataset, exactly=False)
    if similar is None:
        return foretold
    seconds, _, jobs = similar
    return Estimate(seconds, None, jobs, "history", wants_dry_run=True)


def estimate_of_rest(session: Session, before: JobRow, config: dict[str, Any], dataset: DatasetRow) -> Estimate:
    """Of a job with ``config`` that goes on where ``before`` ended: without what is done, as its last checkpoint says."""
    encoder = session.get(EncoderRow, before.encoder_id) if before.encoder_id else None
    whole = estimate(session, Kind(before.kind), config, dataset, before.pinned_to, encoder)
    done = max((saved.passes for saved in queries.checkpoints(session, before.id)), default=0)
    left = 1 - done / config["epochs"] if done else 1.0
    return replace(whole, seconds=whole.seconds * left if whole.seconds is not None else None, dry_run_s=None)


def _from_dry_run(session: Session, config: dict[str, Any], dataset: DatasetRow, pinned_to: str | None) -> Estimate:
    costs = dry_runs.found(session, dry_runs.key_of(config, dataset.id, pinned_to))
    if costs is None:
        return Estimate(wants_dry_run=True)
    whole = costs.seconds(PretrainConfig.model_validate(config), int(dataset.info["split_sizes"]["train"]))
    if whole is None:
        return Estimate(advice=costs.advice)
    return Estimate(whole * _learned(session), costs.peak_bytes, 0, "dry_run", whole, advice=costs.advice)


def _learned(session: Session) -> float:
    """How many times longer jobs took than their dry runs foretold; 1 before there was one."""
    rows = session.execute(
        select(JobRow.spent_s, JobRow.dry_run_s)
        .where(JobRow.state == State.SUCCEEDED, JobRow.dry_run_s > 0, JobRow.continues.is_(None), JobRow.crashes == 0)
        .order_by(JobRow.id.desc())
        .limit(LEARNED_FROM)
    )
    ratios = [spent_s / foretold_s for spent_s, foretold_s in rows if foretold_s]
    return min(MOST_CORRECTED, max(1 / MOST_CORRECTED, median(ratios))) if ratios else 1.0


def _from_history(
    session: Session, kind: Kind, config: dict[str, Any], dataset: DatasetRow, *, exactly: bool
) -> tuple[float, int | None, int] | None:
    """Seconds by the median cost of an image, the highest peak of memory, and how many jobs tell so."""
    wanted, size = _likeness(kind, config, dataset.info, exactly), _images(kind, config, dataset.info)
    rows = session.execute(
        select(JobRow.config, JobRow.dataset_id, JobRow.spent_s, JobRow.peak_bytes)
        .where(
            JobRow.kind == kind,
            JobRow.state == State.SUCCEEDED,
            JobRow.continues.is_(None),
            JobRow.dataset_id.is_not(None),  # whose set was deleted since
        )
        .order_by(JobRow.id.desc())
        .limit(LATEST)
        .execution_options(yield_per=AT_ONCE)
    )
    costs: list[float] = []
    peaks: list[int] = []
    with rows:
        for done, dataset_id, spent_s, peak_bytes in rows:
            info = session.get_one(DatasetRow, dataset_id).info
            if _likeness(kind, done, info, exactly) == wanted:
                costs.append(spent_s / _images(kind, done, info))
                peaks += [peak_bytes] if peak_bytes is not None else []
            if len(costs) == ENOUGH:
                break
    return (median(costs) * size, max(peaks, default=None), len(costs)) if costs else None


def _likeness(kind: Kind, config: dict[str, Any], info: dict[str, Any], exactly: bool) -> tuple[Any, ...]:
    """What the cost of an image depends on; the batch matters to memory, and little to time."""
    shape = info.get("image_size"), info.get("channels")
    if kind is Kind.PRETRAIN:
        encoder = config.get("encoder", {})
        batch = config.get("batch_size") if exactly else None
        return (*shape, batch, *(encoder.get(name) for name in ("architecture", "width", "stem")))
    return shape


def _images(kind: Kind, config: dict[str, Any], info: dict[str, Any]) -> int:
    """How many images are worked on: all of them once, or the training split once an epoch."""
    if kind is Kind.PRETRAIN:
        return max(1, int(config.get("epochs") or 0) * int(info.get("split_sizes", {}).get("train", 0)))
    return max(1, int(info.get("n", 0)))
