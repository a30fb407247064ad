"""What this lab runs on and how busy it is."""

from fastapi import APIRouter
from pydantic import BaseModel

from backend.catalogue import queries
from backend.catalogue.models import WorkerRow
from backend.deps import LabDep
from backend.jobs import presence
from backend.jobs.states import Lane, State
from simclr import __version__

router = APIRouter(tags=["system"])


class QueueOut(BaseModel):
    queued: int
    running: int


class WorkerOut(BaseModel):
    """A place for one job in a worker process: ``device`` in words, null until its runner has looked, or where imports alone are
    done; a job can be pinned to ``device_name``.

    ``lanes`` are the queues that it takes jobs from, ``job_id`` is the one that it runs.
    """

    host: str
    device: str | None
    device_name: str | None
    lanes: list[Lane]
    job_id: str | None


class SystemOut(BaseModel):
    """``device`` is where the last worker computes; ``workers`` counts the processes seen in the last 30 seconds,
    ``workers_seen`` lists their places for jobs. Without a ``bell`` (Redis) workers find jobs by looking, some seconds later."""

    version: str
    device: str | None
    workers: int
    workers_seen: list[WorkerOut]
    bell: bool
    data_folder: str
    queue: QueueOut


@router.get("/system")
def read_system(lab: LabDep) -> SystemOut:
    """Version, device, workers, bell and queue."""
    with lab.catalogue.reading() as session:
        counts = queries.job_counts(session)
        workers = presence.alive(session)
        running = {job.owner: job.id for job in queries.jobs(session, state=State.RUNNING)}
    return SystemOut(
        version=__version__,
        device=next((worker.device for worker in workers if worker.device), None),
        workers=len({(worker.host, worker.pid) for worker in workers}),
        workers_seen=[
            WorkerOut(
                host=worker.host,
                device=worker.device,
                device_name=worker.device_name,
                lanes=sorted(presence.reach_of(worker).lanes),
                job_id=running.get(worker.id),
            )
            for worker in sorted(workers, key=_place)
        ],
        bell=lab.pulse.is_felt,
        data_folder=str(lab.folder),
        queue=QueueOut(queued=counts.get(State.QUEUED, 0), running=counts.get(State.RUNNING, 0)),
    )


def _place(worker: WorkerRow) -> tuple[str, bool, str, str]:
    """By machine and device; those that only import come last."""
    return worker.host, worker.lanes == Lane.IMPORT, worker.device_name or "", worker.id
