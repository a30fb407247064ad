"""Grids of transfers: what one would take, submitting it whole, watching it, and pausing, resuming and cancelling it as one."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Query, Response
from sqlalchemy.orm import Session

from backend.api.checks import check_device
from backend.api.fields import RowId
from backend.api.grid_answers import GridDetailOut, GridOut, GridsOut, LeftOutOut, PlanOut, cells_out, grids_out
from backend.api.grid_requests import GridIn, Planned, planned
from backend.api.job_answers import IdempotencyKey
from backend.api.rows import dataset_row
from backend.catalogue.models import GridRow
from backend.deps import Lab, LabDep
from backend.errors import ApiError, not_found
from backend.jobs import grids
from backend.jobs.cells import standings
from backend.jobs.store import QueueFull
from backend.remembered import BRIEFLY_S

router = APIRouter(tags=["grids"])


@router.post("/grids/plan")
def plan_grid(body: GridIn, lab: LabDep) -> PlanOut:
    """What a grid would compute, and how long that takes, were it submitted now."""
    with lab.catalogue.reading() as session:
        plan = planned(session, body, lab.settings.max_grid_jobs)
        stand = standings(session, [cell.key for cell in plan.cells])
    computed = sum(standing.is_computed for standing in stand.values())
    shared = {key for key, standing in stand.items() if grids.is_shared(standing)}
    expected = [plan.estimates[cell.key].seconds for cell in plan.cells if cell.key not in shared]
    known = [seconds for seconds in expected if seconds is not None]
    return PlanOut(
        cells=len(plan.cells),
        computed=computed,
        under_way=len(shared) - computed,
        to_compute=len(expected),
        seconds=sum(known) if known or not expected else None,
        unestimated=len(expected) - len(known),
        left_out=_left_out(plan),
        notes=plan.notes,
    )


@router.post(
    "/grids", status_code=201, responses={200: {"model": GridOut, "description": "This key was used: its grid."}}
)
def submit_grid(
    body: GridIn, after: BackgroundTasks, response: Response, lab: LabDep, idempotency_key: IdempotencyKey = None
) -> GridOut:
    """Queue a grid, all or nothing; what is computed or under way already is not computed again."""
    with lab.catalogue.reading() as session:
        known = grids.grid_with_key(session, idempotency_key) if idempotency_key else None
        plan = planned(session, body, lab.settings.max_grid_jobs) if known is None else None
    is_new = False
    if plan is not None:
        with lab.catalogue.writing() as session:
            # Two grids on one set are submitted one after the other, so that each sees what the other computes.
            dataset = dataset_row(session, body.dataset_id, lock="update")
            known = grids.grid_with_key(session, idempotency_key) if idempotency_key else None
            is_new = known is None
            known = known or _submitted(session, body, plan, dataset.name, idempotency_key, lab)
    if is_new:
        after.add_task(lab.bell.ring)
    else:
        response.status_code = 200
    with lab.catalogue.reading() as session:
        return grids_out(session, [_row(session, str(known.id if known else None))])[0]


@router.get("/grids", response_model=GridsOut)
def list_grids(lab: LabDep, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> Response:
    """Grids, newest first, with how many of their cells are in which state."""

    def find() -> GridsOut:
        with lab.catalogue.reading() as session:
            return GridsOut(items=grids_out(session, grids.newest(session, limit)))

    return lab.remembered.answer(("grids", limit), find, BRIEFLY_S)


@router.get("/grids/{grid_id}", response_model=GridDetailOut)
def read_grid(grid_id: RowId, lab: LabDep) -> Response:
    """One grid and all its cells, each with its job and its result."""

    def find() -> GridDetailOut:
        with lab.catalogue.reading() as session:
            row = _row(session, grid_id)
            (told,) = grids_out(session, [row])
            return GridDetailOut(**told.model_dump(), asked=row.asked, items=cells_out(session, row))

    return lab.remembered.answer(("grid", grid_id), find, BRIEFLY_S)


@router.post("/grids/{grid_id}/pause")
def pause_grid(grid_id: RowId, lab: LabDep) -> GridOut:
    """Pause what of it has not ended, but for jobs that another grid needs; 409 when there is nothing to pause."""
    return _want(lab, grid_id, grids.pause, "has nothing left to pause")


@router.post("/grids/{grid_id}/cancel")
def cancel_grid(grid_id: RowId, lab: LabDep) -> GridOut:
    """Cancel what of it has not ended, but for jobs that another grid needs; 409 when there is nothing to cancel."""
    return _want(lab, grid_id, grids.cancel, "has nothing left to cancel")


@router.post("/grids/{grid_id}/resume")
def resume_grid(grid_id: RowId, after: BackgroundTasks, lab: LabDep) -> GridOut:
    """Let it run on: resume what is paused, try anew what failed or was cancelled; 409 when all is done or runs."""
    limit = lab.settings.max_grid_jobs

    def resumed(session: Session, grid: GridRow) -> bool:
        dataset_row(session, grid.dataset_id, lock="update")
        try:
            return grids.resume(session, grid, limit)
        except QueueFull as full:
            raise ApiError(429, "queue_full", f"{full}.") from None

    told = _want(lab, grid_id, resumed, "is done or runs already, so there is nothing to resume")
    after.add_task(lab.bell.ring)
    return told


def _submitted(session: Session, body: GridIn, plan: Planned, set_name: str, key: str | None, lab: Lab) -> GridRow:
    check_device(session, body.device)
    order = grids.GridOrder(
        name=body.name or f"Grid on {set_name}",
        dataset_id=body.dataset_id,
        cells=plan.cells,
        asked=body.model_dump(mode="json"),
        limit=lab.settings.max_grid_jobs,
        submitter=body.submitter or "",
        idempotency_key=key,
        priority=body.priority or 0,
        pinned_to=body.device,
        estimates=plan.estimates,
    )
    try:
        return grids.submit(session, order)
    except QueueFull as full:
        raise ApiError(429, "queue_full", f"{full}.") from None


def _want(lab: Lab, grid_id: str, wish: Callable[[Session, GridRow], bool], refusal: str) -> GridOut:
    with lab.catalogue.writing() as session:
        row = _row(session, grid_id)
        if not wish(session, row):
            raise ApiError(409, "not_possible_now", f"{row.name} {refusal}.")
        session.flush()
        return grids_out(session, [row])[0]


def _row(session: Session, grid_id: str) -> GridRow:
    row = session.get(GridRow, grid_id)
    if row is None:
        raise not_found("grid", grid_id, "GET /api/grids lists those there are")
    return row


def _left_out(plan: Planned) -> list[LeftOutOut]:
    return [
        LeftOutOut(encoder_id=left.encoder.id, strategy=left.strategy, reason=left.reason) for left in plan.left_out
    ]
