"""Image sets: the built-in ones, and what is known of each."""

from functools import partial
from typing import Literal

from anyio import to_thread
from fastapi import APIRouter, Response
from pydantic import BaseModel

from backend import importing
from backend.api.fields import RowId
from backend.api.rows import dataset_row
from backend.catalogue import queries
from backend.catalogue.models import DatasetRow
from backend.deps import LabDep
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


@router.get("/datasets", response_model=DatasetsOut)
def list_datasets(lab: LabDep) -> Response:
    """All data sets, newest first."""

    def find() -> DatasetsOut:
        with lab.catalogue.reading() as session:
            return DatasetsOut(items=[_dataset_out(row) for row in queries.datasets(session)])

    return lab.remembered.answer("datasets", find)


@router.post("/datasets/builtin", status_code=201, responses={200: {"model": DatasetOut, **EXISTING[200]}})
async def add_builtin(body: BuiltinIn, response: Response, lab: LabDep) -> DatasetOut:
    """Make a built-in data set."""
    # A lab that is stopping does not wait for it: the next start removes what it leaves.
    make = partial(importing.add_builtin, lab, body.source)
    row, is_new = await to_thread.run_sync(make, limiter=lab.importing, abandon_on_cancel=True)
    response.status_code = 201 if is_new else 200
    return _dataset_out(row)


@router.get("/datasets/{dataset_id}")
def read_dataset(dataset_id: RowId, lab: LabDep) -> DatasetOut:
    """One data set."""
    with lab.catalogue.reading() as session:
        return _dataset_out(dataset_row(session, dataset_id))


def _dataset_out(row: DatasetRow) -> DatasetOut:
    return DatasetOut(id=row.id, name=row.name, created_at=row.created_at, **row.info)
