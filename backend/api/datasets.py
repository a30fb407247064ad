"""Image sets: the built-in ones, uploads, and what is known of each."""

from collections.abc import Callable
from typing import Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from backend import importing
from backend.api.fields import Name, RowId
from backend.api.rows import dataset_row
from backend.catalogue import queries
from backend.catalogue.models import DatasetRow
from backend.deps import Lab, LabDep
from backend.staging import MIB
from simclr.datasets import DatasetInfo

router = APIRouter(tags=["datasets"])

EXISTING = {200: {"description": "The same images are here already: the existing data set."}}


class DatasetOut(DatasetInfo):
    id: str
    name: str
    created_at: float


class DatasetsOut(BaseModel):
    items: list[DatasetOut]


class BuiltinIn(BaseModel):
    source: Literal["digits", "patterns", "factors"]


class UploadQuery(BaseModel):
    format: Literal["zip", "tar", "npz"]
    name: Name = ""
    image_size: Annotated[int, Query(ge=8, le=224)] | None = None


@router.get("/datasets")
def list_datasets(lab: LabDep) -> DatasetsOut:
    """All data sets, newest first."""
    with lab.catalogue.reading() as session:
        return DatasetsOut(items=[_dataset_out(row) for row in queries.datasets(session)])


@router.post("/datasets/builtin", status_code=201, responses={200: {"model": DatasetOut, **EXISTING[200]}})
async def add_builtin(body: BuiltinIn, response: Response, lab: LabDep) -> DatasetOut:
    """Make a built-in data set."""
    row, is_new = await _in_turn(lab, lambda: importing.add_builtin(lab, body.source))
    response.status_code = 201 if is_new else 200
    return _dataset_out(row)


@router.post(
    "/datasets/upload",
    status_code=201,
    responses={200: {"model": DatasetOut, **EXISTING[200]}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload(
    query: Annotated[UploadQuery, Query()], request: Request, response: Response, lab: LabDep
) -> DatasetOut:
    """Import the archive that is the body of the request."""
    async with lab.staging.receiving(request, lab.settings.max_upload_mib * MIB) as archive:
        row, is_new = await _in_turn(
            lab, lambda: importing.add_archive(lab, archive, query.format, query.image_size, query.name)
        )
    response.status_code = 201 if is_new else 200
    return _dataset_out(row)


@router.get("/datasets/{dataset_id}")
def read_dataset(dataset_id: RowId, lab: LabDep) -> DatasetOut:
    """One data set."""
    with lab.catalogue.reading() as session:
        return _dataset_out(dataset_row(session, dataset_id))


async def _in_turn(lab: Lab, make: Callable[[], tuple[DatasetRow, bool]]) -> tuple[DatasetRow, bool]:
    # A lab that is stopping does not wait for an import: the next start removes what it leaves among the uploads.
    return await to_thread.run_sync(make, limiter=lab.importing, abandon_on_cancel=True)


def _dataset_out(row: DatasetRow) -> DatasetOut:
    return DatasetOut(id=row.id, name=row.name, created_at=row.created_at, **row.info)
