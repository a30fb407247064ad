"""What is answered about grids: how far they are, and cell by cell what was found."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.api.job_answers import JobErrorOut
from backend.catalogue.models import EncoderRow, GridCellRow, GridRow, ResultRow
from backend.catalogue.queries import in_parts
from backend.jobs import grids
from backend.jobs.cells import Standing, standings
from backend.jobs.states import Desired, State
from simclr.results import Score

# A cell is computed where there is a result, missing where its result was deleted; else it is as its job is.
CellState = Literal["computed", "missing", "queued", "running", "paused", "failed", "cancelled"]


class LeftOutOut(BaseModel):
    encoder_id: str
    strategy: str
    reason: str


class PlanOut(BaseModel):
    """What a grid comes to: ``cells`` in all, of which some are ``computed`` already, and some ``under_way`` for somebody else.

    ``seconds`` of work for those ``to_compute``, without the ``unestimated`` of them, null where nobody knows of any. What is
    ``left_out`` cannot be computed, for the reasons given; ``notes`` are sentences on how images are made to fit an encoder.
    """

    cells: int
    computed: int
    under_way: int
    to_compute: int
    seconds: float | None
    unestimated: int
    left_out: list[LeftOutOut]
    notes: list[str]


class CountsOut(BaseModel):
    """How many cells are in which state."""

    computed: int = 0
    missing: int = 0
    queued: int = 0
    running: int = 0
    paused: int = 0
    failed: int = 0
    cancelled: int = 0


class GridOut(BaseModel):
    """A grid as it stands. ``desired`` is what people want of it; it ``is_over`` when no cell waits, runs or is paused.

    ``seconds_left`` is the work predicted for cells that wait, null where it is known of none.
    """

    id: str
    name: str
    submitter: str
    dataset_id: str
    desired: Desired
    cells: int
    counts: CountsOut
    is_over: bool
    seconds_left: float | None
    created_at: float


class GridsOut(BaseModel):
    items: list[GridOut]


class CellOut(BaseModel):
    """One transfer of a grid; ``job_id`` is the job that computed it or will, perhaps another grid's."""

    place: int
    encoder_id: str
    encoder_name: str
    config: dict[str, Any]
    state: CellState
    job_id: str | None
    result_id: str | None
    scores: list[Score]
    error: JobErrorOut | None


class GridDetailOut(GridOut):
    """A grid, what was asked for, and its cells in order."""

    asked: dict[str, Any]
    items: list[CellOut]


def grids_out(session: Session, rows: Sequence[GridRow]) -> list[GridOut]:
    """Grids with their counts, in the order of ``rows``."""
    cells = {row.id: grids.cells_of(session, row.id) for row in rows}
    stand = standings(session, [cell.cell for some in cells.values() for cell in some])
    return [_grid_out(row, [stand.get(cell.cell) for cell in cells[row.id]]) for row in rows]


def cells_out(session: Session, row: GridRow) -> list[CellOut]:
    """The cells of a grid, each with what was found."""
    cells = grids.cells_of(session, row.id)
    stand = standings(session, [cell.cell for cell in cells])
    names = dict(session.execute(select(EncoderRow.id, EncoderRow.name)).all())
    ids = [standing.result_id for standing in stand.values() if standing.result_id is not None]
    summaries: dict[str, dict[str, Any]] = {}
    for some in in_parts(ids):
        found = session.execute(select(ResultRow.id, ResultRow.summary).where(ResultRow.id.in_(some)))
        summaries.update(found.all())
    return [_cell_out(cell, names.get(cell.encoder_id, ""), stand.get(cell.cell), summaries) for cell in cells]


def _grid_out(row: GridRow, stand: Sequence[Standing | None]) -> GridOut:
    counts = Counter[str](_state(standing) for standing in stand)
    left = [s.job.predicted_s for s in stand if s is not None and _state(s) in ("queued", "paused")]
    known = [seconds for seconds in left if seconds is not None]
    return GridOut(
        id=row.id,
        name=row.name,
        submitter=row.submitter,
        dataset_id=row.dataset_id,
        desired=Desired(row.desired),
        cells=len(stand),
        counts=CountsOut.model_validate(counts),
        is_over=not any(counts[state] for state in ("queued", "running", "paused")),
        seconds_left=sum(known) if known or not left else None,
        created_at=row.created_at,
    )


def _cell_out(
    cell: GridCellRow, encoder_name: str, standing: Standing | None, summaries: dict[str, dict[str, Any]]
) -> CellOut:
    job = standing.job if standing else None
    result_id = standing.result_id if standing else None
    return CellOut(
        place=cell.place,
        encoder_id=cell.encoder_id,
        encoder_name=encoder_name,
        config=cell.config,
        state=_state(standing),
        job_id=job.id if job else None,
        result_id=result_id,
        scores=summaries.get(result_id or "", {}).get("scores", []),
        error=JobErrorOut(code=job.error_code, message=job.error_message or "") if job and job.error_code else None,
    )


def _state(standing: Standing | None) -> CellState:
    if standing is None:
        return "missing"
    if standing.is_computed:
        return "computed"
    match State(standing.job.state):
        case State.QUEUED:
            return "queued"
        case State.RUNNING:
            return "running"
        case State.PAUSED:
            return "paused"
        case State.FAILED:
            return "failed"
        case State.CANCELLED:
            return "cancelled"
        case State.SUCCEEDED:
            return "missing"
