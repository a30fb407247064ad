"""Grids of transfers: submitted whole, and paused, resumed and cancelled as one; cells that several need are computed once.

What is wanted of a job that grids have asked for is the most that any of them wants: it runs as long as one wants it to.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.catalogue.engine import now
from backend.catalogue.models import EventRow, GridCellRow, GridRow, JobRow
from backend.catalogue.queries import in_parts
from backend.jobs import store
from backend.jobs.cells import Standing, standings
from backend.jobs.estimates import UNKNOWN, Estimate
from backend.jobs.expansion import Cell
from backend.jobs.needless import end_needless
from backend.jobs.states import Desired, Kind, State

# The first that any grid wants.
STRONGEST = (Desired.RUN, Desired.PAUSE, Desired.CANCEL)


@dataclass(frozen=True)
class GridOrder:
    """What a person asks for: ``cells`` in the order in which they are shown and, where nothing hinders, computed.

    ``asked`` is the request as JSON has it. ``limit``: how many jobs of grids may wait at once.
    """

    name: str
    dataset_id: str
    cells: Sequence[Cell]
    asked: dict[str, Any]
    limit: int
    submitter: str = ""
    idempotency_key: str | None = None
    priority: int = 0
    pinned_to: str | None = None
    estimates: dict[str, Estimate] = field(default_factory=dict)  # by cell


def grid_with_key(session: Session, key: str) -> GridRow | None:
    """The grid that was submitted with this idempotency key."""
    return session.scalar(select(GridRow).where(GridRow.idempotency_key == key))


def newest(session: Session, limit: int) -> Sequence[GridRow]:
    """The latest grids, the newest first."""
    return session.scalars(select(GridRow).order_by(GridRow.id.desc()).limit(limit)).all()


def cells_of(session: Session, grid_id: str) -> Sequence[GridCellRow]:
    """Its cells, in their order."""
    return session.scalars(select(GridCellRow).where(GridCellRow.grid_id == grid_id).order_by(GridCellRow.place)).all()


def open_grid_with(session: Session, cell: str | None) -> GridRow | None:
    """A grid that needs a cell, is not cancelled, and has not ended."""
    holds = select(GridCellRow.grid_id).where(GridCellRow.cell == cell)
    for grid in session.scalars(select(GridRow).where(GridRow.id.in_(holds), GridRow.desired != Desired.CANCEL)):
        if _open_jobs(session, grid.id):
            return grid
    return None


def is_shared(standing: Standing | None) -> bool:
    """Whether a cell is not to be computed again: it is computed, or about to be. What a person alone has paused may stay so."""
    if standing is None:
        return False
    job = standing.job
    goes_on = job.desired == Desired.RUN or job.grid_id is not None
    return standing.is_computed or (standing.is_under_way and goes_on)


def submit(session: Session, order: GridOrder) -> GridRow:
    """Queue what of a grid is neither computed nor under way. The caller holds a lock on the data set, so that no two grids on it
    are submitted at once.

    Raises:
        QueueFull: more jobs of grids would wait than ``order.limit``.
    """
    grid = GridRow(
        name=order.name, submitter=order.submitter, dataset_id=order.dataset_id, asked=order.asked, desired=Desired.RUN,
        idempotency_key=order.idempotency_key, created_at=now(session),
    )  # fmt: skip
    session.add(grid)
    session.flush()
    rows = [
        GridCellRow(
            grid_id=grid.id, place=place, cell=cell.key, encoder_id=cell.encoder.id,
            config=cell.config.model_dump(mode="json"),
        )
        for place, cell in enumerate(order.cells)
    ]  # fmt: skip
    session.add_all(rows)
    _compute(session, grid, rows, order)
    return grid


def pause(session: Session, grid: GridRow) -> bool:
    """Pause its jobs, but for those that another grid wants; False when nothing of it is left to pause."""
    return _want(session, grid, Desired.PAUSE)


def cancel(session: Session, grid: GridRow) -> bool:
    """Cancel its jobs, but for those that another grid needs; False when nothing of it is left to cancel."""
    return _want(session, grid, Desired.CANCEL)


def resume(session: Session, grid: GridRow, limit: int) -> bool:
    """Let it run on: paused jobs are resumed; cells whose job failed, was cancelled, or lost its result get a new one.

    Raises:
        QueueFull: as ``submit``.
    """
    rows = cells_of(session, grid.id)
    paused = [job for job in _open_jobs(session, grid.id) if job.desired == Desired.PAUSE]
    was = grid.desired
    grid.desired = Desired.RUN
    end_needless(session, [row.cell for row in rows])
    priority, pinned_to = (grid.asked.get(name) for name in ("priority", "device"))
    order = GridOrder(
        grid.name, grid.dataset_id, (), grid.asked, limit, grid.submitter, priority=priority or 0, pinned_to=pinned_to
    )
    made = _compute(session, grid, rows, order)
    return bool(made or paused) or was != Desired.RUN


def _compute(session: Session, grid: GridRow, rows: Sequence[GridCellRow], order: GridOrder) -> int:
    """Queue a job for every cell that has none to rely on; how many. Shared ones that are paused run on."""
    stand = standings(session, {row.cell for row in rows})
    missing = [row for row in rows if not is_shared(stand.get(row.cell))]
    waiting = session.scalar(select(func.count()).where(JobRow.state == State.QUEUED, JobRow.grid_id.is_not(None))) or 0
    if waiting + len(missing) > order.limit:
        raise store.QueueFull(
            f"{len(missing)} jobs are asked for and {waiting} of grids are waiting already, but {order.limit} may wait at once: "
            "ask for fewer, or wait until some have run"
        )
    moment = now(session)
    jobs = [
        store.new_row(
            session,
            store.Submission(
                kind=Kind.TRANSFER,
                dataset_id=grid.dataset_id,
                config=row.config,
                encoder_id=row.encoder_id,
                priority=order.priority,
                submitter=order.submitter,
                pinned_to=order.pinned_to,
                estimate=order.estimates.get(row.cell, UNKNOWN),
                grid_id=grid.id,
            ),
            moment,
        )
        for row in missing
    ]
    session.add_all(jobs)
    session.flush()
    session.add_all(
        EventRow(
            job_id=job.id, seq=1, epoch=0, kind="state", at=moment,
            data={"state": State.QUEUED.value, "message": store.waiting_for(job)},
        )
        for job in jobs
    )  # fmt: skip
    session.flush()
    _obey(session, [s.job for s in stand.values() if s.is_under_way and not s.is_computed])
    return len(jobs)


def _want(session: Session, grid: GridRow, desired: Desired) -> bool:
    is_new = grid.desired != desired
    grid.desired = desired
    session.flush()
    jobs = _open_jobs(session, grid.id)
    _obey(session, jobs)
    return bool(jobs) and is_new


def _open_jobs(session: Session, grid_id: str) -> Sequence[JobRow]:
    """Jobs that have not ended and compute a cell of the grid."""
    cells = select(GridCellRow.cell).where(GridCellRow.grid_id == grid_id)
    open_states = [state for state in State if not state.is_terminal]
    return session.scalars(select(JobRow).where(JobRow.cell.in_(cells), JobRow.state.in_(open_states))).all()


def _obey(session: Session, jobs: Sequence[JobRow]) -> None:
    """Bring what is wanted of jobs that grids submitted to the most that any grid wants of their cells."""
    wishes: defaultdict[str, set[str]] = defaultdict(set)
    for some in in_parts({str(job.cell) for job in jobs}):
        wanted = select(GridCellRow.cell, GridRow.desired).join(GridRow, GridCellRow.grid_id == GridRow.id)
        for cell, desired in session.execute(wanted.where(GridCellRow.cell.in_(some))):
            wishes[cell].add(desired)
    for wish in STRONGEST:
        wanted_so = [
            job.id
            for job in jobs
            if job.grid_id is not None
            and job.desired != wish
            and next((each for each in STRONGEST if each in wishes[str(job.cell)]), None) == wish
        ]
        store.request_of_many(session, wanted_so, wish)
