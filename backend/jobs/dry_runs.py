"""Dry runs that people wait for: asked for here, done by a worker that has nothing else to do, answered here, and kept.

A dry run is no job: nothing of it is promised. Whoever waits asks again; what nobody has asked for lately is not done.
"""

import contextlib
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.catalogue.engine import now
from backend.catalogue.models import DatasetRow, DryRunRow
from backend.jobs.order import Reach
from backend.jobs.states import Lane
from simclr.costs import Costs

LATELY_S = 15.0
GIVEN_UP_S = 30.0  # a worker that has not answered by then is gone
KEPT = 200
# What changes neither the time of a step nor its memory.
INDIFFERENT = ("epochs", "seed", "learning_rate", "temperature", "weight_decay", "warmup_epochs", "knn_every")


@dataclass(frozen=True)
class Asked:
    """A dry run to do. ``dataset_key`` is the set's folder below the data folder."""

    key: str
    config: dict[str, Any]
    dataset_key: str


def key_of(config: dict[str, Any], dataset_id: str, pinned_to: str | None) -> str:
    """The same for all pretrainings that cost the same a step and a look."""
    matters = {name: value for name, value in config.items() if name not in INDIFFERENT}
    text = json.dumps([matters, dataset_id, pinned_to], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def found(session: Session, key: str) -> Costs | None:
    """What the dry run found; None where there was none."""
    content = session.scalar(select(DryRunRow.found).where(DryRunRow.key == key))
    return Costs.model_validate(content) if content is not None else None


def ask(session: Session, config: dict[str, Any], dataset_id: str, pinned_to: str | None) -> None:
    """Want a dry run, or want it still."""
    key, moment = key_of(config, dataset_id, pinned_to), now(session)
    row = session.get(DryRunRow, key)
    if row is not None:
        row.asked_at = moment
        return
    new = DryRunRow(key=key, config=config, dataset_id=dataset_id, pinned_to=pinned_to, asked_at=moment)
    # On PostgreSQL somebody else may have asked the same since we looked.
    with contextlib.suppress(IntegrityError), session.begin_nested():
        session.add(new)
    oldest_first = select(DryRunRow.key).order_by(DryRunRow.asked_at.desc()).offset(KEPT)
    session.execute(delete(DryRunRow).where(DryRunRow.key.in_(list(session.scalars(oldest_first)))))


def take(session: Session, reach: Reach) -> Asked | None:
    """The one asked for last that is not done and nobody does, for a worker to do; None when there is none."""
    if Lane.LONG not in reach.lanes:
        return None
    moment = now(session)
    is_open = (
        DryRunRow.found.is_(None),
        DryRunRow.asked_at > moment - LATELY_S,
        or_(DryRunRow.taken_at.is_(None), DryRunRow.taken_at < moment - GIVEN_UP_S),
        or_(DryRunRow.pinned_to.is_(None), DryRunRow.pinned_to == reach.device),
    )
    chosen = select(DryRunRow.key).where(*is_open).order_by(DryRunRow.asked_at.desc()).limit(1).scalar_subquery()
    statement = update(DryRunRow).where(DryRunRow.key == chosen, *is_open).values(taken_at=moment).returning(DryRunRow)
    row = session.scalar(statement)
    if row is None:
        return None
    return Asked(row.key, row.config, session.get_one(DatasetRow, row.dataset_id).key)


def answer(session: Session, key: str, costs: Costs | None) -> None:
    """Record what was found; None gives the dry run back to whoever has time."""
    content = costs.model_dump(mode="json") if costs is not None else None
    session.execute(update(DryRunRow).where(DryRunRow.key == key).values(found=content, taken_at=None))
