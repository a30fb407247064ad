"""Results of transfer jobs: compared, looked into, named, and deleted."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from backend.api.fields import Name, RowId, clean_name
from backend.api.result_answers import ResultDetailOut, ResultOut, ResultsOut, result_out, results_json
from backend.api.rows import known_dataset, result_row
from backend.catalogue.models import EncoderRow, JobRow
from backend.deps import LabDep
from backend.errors import ApiError
from backend.jobs import grids
from backend.jobs.saved import remove_unused

router = APIRouter(tags=["results"])

Tag = Annotated[str, Field(min_length=1, max_length=40)]


class ResultChangesIn(BaseModel):
    """What is left out stays; an empty ``name`` takes the name away."""

    name: Name | None = None
    tags: Annotated[list[Tag], Field(max_length=50)] | None = None
    pinned: bool | None = None


@router.get("/results", response_model=ResultsOut)
def list_results(lab: LabDep, dataset_id: Annotated[RowId | None, Query()] = None) -> Response:
    """Results, newest first, of one data set or of all."""

    def find() -> bytes:
        with lab.catalogue.reading() as session:
            if dataset_id is not None:
                known_dataset(session, dataset_id)
            return results_json(session, dataset_id=dataset_id)

    return lab.remembered.answer(("results", dataset_id), find)


@router.get("/results/{result_id}")
def read_result(result_id: RowId, lab: LabDep) -> ResultDetailOut:
    """One result, with all that stands behind it."""
    with lab.catalogue.reading() as session:
        row = result_row(session, result_id)
        short = result_out(session, result_id)
        dataset, encoder = known_dataset(session, row.dataset_id), session.get_one(EncoderRow, row.encoder_id)
    about = {
        "classes": dataset.info.get("classes", []),
        "content_hash": dataset.content_hash,
        "dataset_key": dataset.key,
        "encoder_sha256": encoder.sha256,
        "encoder_key": encoder.key,
        "has_predictions": row.predictions is not None,
    }
    listed = short.model_dump() if short is not None else {}
    return ResultDetailOut.model_validate(row.content | listed | about)


@router.patch("/results/{result_id}")
def change_result(result_id: RowId, body: ResultChangesIn, lab: LabDep) -> ResultOut:
    """Name, tag or pin a result."""
    with lab.catalogue.writing() as session:
        row = result_row(session, result_id)
        if body.name is not None:
            row.name = body.name
        if body.tags is not None:
            row.tags = list(dict.fromkeys(tag for tag in map(clean_name, body.tags) if tag))
        if body.pinned is not None:
            row.pinned = body.pinned
    with lab.catalogue.reading() as session:
        told = result_out(session, result_id)
    if told is None:
        raise ApiError(409, "not_possible_now", "The result was deleted meanwhile.")
    return told


@router.delete("/results/{result_id}", status_code=204)
def delete_result(result_id: RowId, lab: LabDep) -> None:
    """Delete a result and every answer that was kept; its job stays. 409 where it is pinned, or of a grid that has not ended."""
    with lab.catalogue.writing() as session:
        row = result_row(session, result_id)
        job = session.get_one(JobRow, row.job_id)
        if row.pinned:
            raise ApiError(409, "pinned", f"{row.name or job.name} is pinned: unpin it first, then delete it.")
        if (grid := grids.open_grid_with(session, job.cell)) is not None:
            message = (
                f"{row.name or job.name} belongs to {grid.name}, which has not ended: wait for its end, or cancel it."
            )
            raise ApiError(409, "grid_not_over", message)
        session.delete(row)
        job.result = None
    with lab.catalogue.reading() as session:
        remove_unused(session, lab.folder, row.job_id)
