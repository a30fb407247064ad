"""Deleting a data set, and what to know before."""

from fastapi import APIRouter
from pydantic import BaseModel

from backend.api.fields import RowId
from backend.api.rows import dataset_row
from backend.deletion import delete_files, delete_rows, uses_of
from backend.deps import LabDep
from backend.errors import ApiError
from backend.jobs.states import State

router = APIRouter(tags=["datasets"])


class UsingJob(BaseModel):
    id: str
    name: str
    state: State


class UsingEncoder(BaseModel):
    id: str
    name: str


class UsesOut(BaseModel):
    """What refers to a data set.

    A job among ``unfinished`` forbids to delete it. ``encoders``, ``embeddings``, ``results`` and ended ``jobs`` would stay,
    without the images. ``bytes`` is the room on the disk that deleting them gives back; with ``shares_images``, variants have
    them too.
    """

    unfinished: list[UsingJob]
    encoders: list[UsingEncoder]
    embeddings: int
    results: int
    jobs: int
    bytes: int
    shares_images: bool


@router.get("/datasets/{dataset_id}/uses")
def read_uses(dataset_id: RowId, lab: LabDep) -> UsesOut:
    """What would become of jobs, encoders and results if the set were deleted."""
    with lab.catalogue.reading() as session:
        key = dataset_row(session, dataset_id).key
        uses = uses_of(session, dataset_id)
    files = [path.stat() for path in (lab.folder / key).glob("*") if path.is_file()]
    own = [file for file in files if file.st_nlink == 1]
    return UsesOut(
        unfinished=[UsingJob(id=job.id, name=job.name, state=State(job.state)) for job in uses.unfinished],
        encoders=[UsingEncoder(id=encoder.id, name=encoder.name) for encoder in uses.encoders if encoder.listed],
        embeddings=uses.embeddings,
        results=uses.results,
        jobs=uses.jobs,
        bytes=sum(file.st_size for file in own),
        shares_images=len(own) < len(files),
    )


@router.delete("/datasets/{dataset_id}", status_code=204)
def delete(dataset_id: RowId, lab: LabDep) -> None:
    """Delete the images; what was made with them stays. 409 while a job that has not ended uses them."""
    with lab.catalogue.writing() as session:
        row = dataset_row(session, dataset_id, lock="update")
        uses, key = uses_of(session, dataset_id), row.key
        if uses.unfinished:
            raise ApiError(409, "dataset_in_use", uses.refusal(row.name))
        delete_rows(session, row, uses, lab.folder)
    lab.reports.stop(lab.folder / key)
    lab.datasets.forget(lab.folder / key)
    lab.origins.forget(lab.folder / key)
    delete_files(lab.folder, key)
