"""Whose turn it is: by priority, then in rounds of one job for each submitter, longest unserved first. And who may take it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Float, Row, Select, Subquery, and_, bindparam, case, func, or_, select
from sqlalchemy.orm import Session, load_only

from backend.catalogue.models import JOBS, JobRow
from backend.jobs.states import Desired, Lane, State

LANES = frozenset(Lane)
MOMENT = "moment"  # a parameter of the statements below


@dataclass(frozen=True)
class Reach:
    """Which jobs a worker may take: those in its lanes that are pinned to its device, such as "cuda:1", or to none."""

    lanes: frozenset[Lane] = LANES
    device: str | None = None

    def covers(self, lane: str, pinned_to: str | None) -> bool:
        return lane in self.lanes and pinned_to in (None, self.device)


UNPINNED = Reach()


def is_claimable(reach: Reach) -> ColumnElement[bool]:
    """Whether a job may start at the parameter ``MOMENT`` where ``reach`` says; one that crashed waits a while."""
    here = or_(JOBS.c.pinned_to.is_(None), JOBS.c.pinned_to == reach.device)
    in_lane = [JOBS.c.lane.in_(sorted(reach.lanes))] if reach.lanes != LANES else []
    return and_(_is_waiting(), here, *in_lane, JOBS.c.not_before <= bindparam(MOMENT, type_=Float))


@cache
def next_claimable(reach: Reach) -> Select[str]:
    """The id of the job whose turn it is at the parameter ``MOMENT``, at most one."""
    # Kept, as is the next one: to compose it takes longer than to execute it, and every worker asks again and again.
    statement, turn = _in_turn(JOBS.c.id, is_claimable(reach))
    return statement.order_by(*turn).limit(1)


def waiting_in_turn(session: Session) -> Sequence[Row[JobRow, int, float]]:
    """All waiting jobs, the next one first; a job that crashed stands where it will be.

    Each with the round it is in, from 1, and when a job of its submitter was started last, 0 where none was.
    """
    return session.execute(_all_waiting()).all()


@cache
def _all_waiting() -> Select[JobRow, int, float]:
    statement, turn = _in_turn(JobRow, _is_waiting())
    # All that is read of many by who asks for turns.
    few = load_only(JobRow.lane, JobRow.priority, JobRow.pinned_to, JobRow.predicted_s, JobRow.not_before)
    statement = statement.options(few)
    return statement.add_columns(turn[1], turn[2]).order_by(*turn)


def round_of_new(session: Session, submitter: str, priority: int) -> tuple[int, float]:
    """The round in which a new job of ``submitter``, no import, would be, and when a job of theirs was started last."""
    mine = and_(JOBS.c.submitter == submitter, _is_import(JOBS.c).is_(False))
    theirs = and_(mine, or_(JOBS.c.state == State.RUNNING, _is_waiting()))
    before = or_(JOBS.c.state == State.RUNNING, JOBS.c.priority >= priority)
    place = 1 + (session.scalar(select(func.count()).where(theirs, before)) or 0)
    return place, session.scalar(select(func.max(JOBS.c.started_at)).where(mine)) or 0.0


def _is_waiting() -> ColumnElement[bool]:
    return and_(JOBS.c.state == State.QUEUED, JOBS.c.desired == Desired.RUN)


def _is_import(row: Any) -> ColumnElement[bool]:
    found: ColumnElement[bool] = row.lane == Lane.IMPORT
    return found


def _in_turn(what: Any, condition: ColumnElement[bool]) -> tuple[Select[Any], tuple[Any, ...]]:
    """``what`` of the jobs for which ``condition`` holds, and what to order them by.

    That is priority, round, who was served longest ago, age. A job's round is its place among the waiting jobs of its submitter,
    after those of theirs that run; imports, which are done beside all else, have rounds of their own. Among one submitter's
    jobs, who may be several people without a name, grids and what is in none take turns in the same way.
    """
    is_import = _is_import(JOBS.c).label("is_import")
    by_age: tuple[Any, ...] = (JOBS.c.created_at, JOBS.c.id)
    of_group = func.row_number().over(
        partition_by=(JOBS.c.submitter, is_import, JOBS.c.grid_id), order_by=(JOBS.c.priority.desc(), *by_age)
    )
    columns = (JOBS.c.id, JOBS.c.submitter, is_import, JOBS.c.grid_id, JOBS.c.priority, JOBS.c.created_at)
    waiting = select(*columns, of_group.label("place")).where(condition).subquery()
    groups, submitters = _served(JOBS.c.grid_id), _served()
    place = func.row_number().over(
        partition_by=(waiting.c.submitter, waiting.c.is_import),
        order_by=(waiting.c.priority.desc(), waiting.c.place, groups.c.at, waiting.c.created_at, waiting.c.id),
    )
    same_group = and_(_same(groups, waiting), groups.c.grid_id.is_not_distinct_from(waiting.c.grid_id))
    placed = select(waiting.c.id, waiting.c.submitter, waiting.c.is_import, place.label("place"))
    turns = placed.join_from(waiting, groups, same_group).subquery()
    statement = select(what).join_from(JOBS, turns, turns.c.id == JOBS.c.id).join(submitters, _same(submitters, turns))
    return statement, (JOBS.c.priority.desc(), turns.c.place + submitters.c.running, submitters.c.at, *by_age)


def _served(*more: Column[Any]) -> Subquery:
    """By submitter, imports apart, and by ``more``: when a job was started last, 0 where none was, and how many run."""
    of = (JOBS.c.submitter, _is_import(JOBS.c).label("is_import"), *more)
    running = func.sum(case((JOBS.c.state == State.RUNNING, 1), else_=0)).label("running")
    last = func.coalesce(func.max(JOBS.c.started_at), 0.0).label("at")
    return select(*of, last, running).group_by(*of).subquery()


def _same(one: Subquery, other: Subquery) -> ColumnElement[bool]:
    return and_(one.c.submitter == other.c.submitter, one.c.is_import == other.c.is_import)
