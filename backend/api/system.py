"""What this lab runs on and how busy it is."""

from fastapi import APIRouter
from pydantic import BaseModel

from backend.catalogue import queries
from backend.catalogue.engine import now
from backend.deps import LabDep
from backend.jobs.presence import SEEN_S
from backend.jobs.states import State
from simclr import __version__

router = APIRouter(tags=["system"])


class QueueOut(BaseModel):
    queued: int
    running: int


class SystemOut(BaseModel):
    """``device`` is where the last worker computes; ``workers`` counts those seen in the last 30 seconds."""

    version: str
    device: str | None
    workers: int
    data_folder: str
    queue: QueueOut


@router.get("/system")
def read_system(lab: LabDep) -> SystemOut:
    """Version, device, workers and queue."""
    with lab.catalogue.reading() as session:
        counts = queries.job_counts(session)
        workers = queries.workers_seen_since(session, now(session) - SEEN_S)
    return SystemOut(
        version=__version__,
        device=next((worker.device for worker in workers if worker.device), None),
        workers=len(workers),
        data_folder=str(lab.folder),
        queue=QueueOut(queued=counts.get(State.QUEUED, 0), running=counts.get(State.RUNNING, 0)),
    )
