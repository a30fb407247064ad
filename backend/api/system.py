"""What this lab runs on and how busy it is."""

from fastapi import APIRouter
from pydantic import BaseModel

from backend.deps import LabDep
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
    raise NotImplementedError
