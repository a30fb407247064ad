"""Whose turn it is: by priority, then in rounds in which every submitter has one job, then by age. And who may take it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from backend.catalogue.models import JobRow
from backend.jobs.states import Desired, Lane, State

LANES = frozenset(Lane)


@dataclass(frozen=True)
class Reach:
    """Which jobs a worker may take: those in its lanes that are pinned to its device, such as "cuda:1", or to none."""

    lanes: frozenset[Lane] = LANES
    device: str | None = None

    def covers(self, lane: str, pinned_to: str | None) -> bool:
        return lane in self.lanes and pinned_to in (None, self.device)


UNPINNED = Reach()


def is_claimable(moment: float, reach: Reach) -> ColumnElement[bool]:
    """Whether a job may start at ``moment`` where ``reach`` says; one that crashed waits a while."""
    here = or_(JobRow.pinned_to.is_(None), JobRow.pinned_to == reach.device)
    in_lane = [JobRow.lane.in_(sorted(reach.lanes))] if reach.lanes != LANES else []
    return and_(_is_waiting(), here, *in_lane, JobRow.not_before <= moment)


def next_claimable(moment: float, reach: Reach) -> Select[str]:
    """The id of the job whose turn it is, at most one."""
    statement, turn = _in_turn(JobRow.id, is_claimable(moment, reach))
    return statement.order_by(*turn).limit(1)


def waiting_in_turn(session: Session) -> Sequence[Row[JobRow, int]]:
    """All waiting jobs, the next one first, each with the round it is in, from 1; a job that crashed stands where it will be."""
    statement, turn = _in_turn(JobRow, _is_waiting())
    return session.execute(statement.add_columns(turn[1]).order_by(*turn)).all()


def round_of_new(session: Session, submitter: str, priority: int) -> int:
    """The round in which a new job of ``submitter``, no import, would be."""
    theirs = and_(
        JobRow.submitter == submitter, _is_import(JobRow).is_(False), or_(JobRow.state == State.RUNNING, _is_waiting())
    )
    before = or_(JobRow.state == State.RUNNING, JobRow.priority >= priority)
    return 1 + (session.scalar(select(func.count()).where(theirs, before)) or 0)


def _is_waiting() -> ColumnElement[bool]:
    return and_(JobRow.state == State.QUEUED, JobRow.desired == Desired.RUN)


def _is_import(row: Any) -> ColumnElement[bool]:
    found: ColumnElement[bool] = row.lane == Lane.IMPORT
    return found


def _in_turn(what: Any, condition: ColumnElement[bool]) -> tuple[Select[Any], tuple[Any, ...]]:
    """``what`` of the jobs for which ``condition`` holds, and what to order them by: priority, round, age."""
    # A job's round is its place among the waiting jobs of its submitter, after those of theirs that run; imports, which are
    # done beside all else, have rounds of their own.
    by_age: tuple[Any, ...] = (JobRow.created_at, JobRow.id)
    turns = (JobRow.submitter, _is_import(JobRow))
    place = func.row_number().over(partition_by=turns, order_by=(JobRow.priority.desc(), *by_age))
    waiting = select(JobRow.id, place.label("place")).where(condition).subquery()
    other = aliased(JobRow)
    running = (
        select(func.count())
        .where(
            other.state == State.RUNNING, other.submitter == JobRow.submitter, _is_import(other) == _is_import(JobRow)
        )
        .correlate(JobRow)
        .scalar_subquery()
    )
    statement = select(what).join_from(JobRow, waiting, waiting.c.id == JobRow.id)
    return statement, (JobRow.priority.desc(), waiting.c.place + running, *by_age)
