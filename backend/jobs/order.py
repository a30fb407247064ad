"""Whose turn it is: by priority, then in rounds in which every submitter has one job, then by age."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session, aliased

from backend.catalogue.models import JobRow
from backend.jobs.states import Desired, Lane, State

ANY = frozenset(Lane)


def is_claimable(moment: float, lanes: Collection[Lane] = ANY) -> ColumnElement[bool]:
    """Whether a job may start at ``moment``; one that crashed waits a while."""
    return and_(_is_waiting(lanes), JobRow.not_before <= moment)


def next_claimable(moment: float, lanes: Collection[Lane] = ANY) -> Select[str]:
    """The id of the job whose turn it is, at most one."""
    return _in_turn(is_claimable(moment, lanes)).limit(1)


def waiting_in_turn(session: Session) -> list[str]:
    """Ids of all waiting jobs, the next one first; those that wait after a crash stand where they will be."""
    return list(session.scalars(_in_turn(_is_waiting(ANY))))


def _is_waiting(lanes: Collection[Lane]) -> ColumnElement[bool]:
    in_lane = [JobRow.lane.in_(sorted(lanes))] if set(lanes) != ANY else []
    return and_(JobRow.state == State.QUEUED, JobRow.desired == Desired.RUN, *in_lane)


def _in_turn(condition: ColumnElement[bool]) -> Select[str]:
    # A job's round is its place among the waiting jobs of its submitter, after those of theirs that run.
    by_age: tuple[Any, ...] = (JobRow.created_at, JobRow.id)
    place = func.row_number().over(partition_by=JobRow.submitter, order_by=(JobRow.priority.desc(), *by_age))
    waiting = select(JobRow.id, place.label("place")).where(condition).subquery()
    other = aliased(JobRow)
    running = (
        select(func.count())
        .where(other.state == State.RUNNING, other.submitter == JobRow.submitter)
        .correlate(JobRow)
        .scalar_subquery()
    )
    return (
        select(JobRow.id)
        .join(waiting, waiting.c.id == JobRow.id)
        .order_by(JobRow.priority.desc(), waiting.c.place + running, *by_age)
    )
