"""Jobs of grids that wait for what another job has computed meanwhile: they end, as there is nothing left for them to do."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.catalogue.models import JobRow, ResultRow
from backend.catalogue.queries import in_parts
from backend.jobs.moves import move_all
from backend.jobs.states import Desired, State

COMPUTED_ELSEWHERE = "Computed elsewhere: another job found this result meanwhile, so nothing is left to do."


def end_needless(session: Session, cells: Iterable[str | None]) -> None:
    """End every job that a grid submitted, that waits or is paused, and whose cell has a result by now.

    What a person submitted alone is computed again: they asked for it.
    """
    for some in in_parts({cell for cell in cells if cell is not None}):
        computed = select(JobRow.cell).join(ResultRow, ResultRow.job_id == JobRow.id).where(JobRow.cell.in_(some))
        waiting = (
            select(JobRow)
            .where(
                JobRow.cell.in_(computed), JobRow.grid_id.is_not(None), JobRow.state.in_((State.QUEUED, State.PAUSED))
            )
            .order_by(JobRow.id)
            # Whoever holds one of them decides what becomes of it, and may be waiting for the job that we hold.
            .with_for_update(skip_locked=True)
        )
        needless = session.scalars(waiting, execution_options={"populate_existing": True}).all()
        for job in needless:
            job.desired = Desired.CANCEL
        move_all(session, needless, State.CANCELLED, COMPUTED_ELSEWHERE)
