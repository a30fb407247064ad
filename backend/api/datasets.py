"""Image sets, and what is known of each."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from backend.api.fields import RowId
from backend.api.rows import dataset_row
from backend.catalogue import queries
from backend.catalogue.models import DatasetRow
from backend.deps import LabDep
from simclr.datasets import DatasetInfo

router = APIRouter(tags=["datasets"])


class DatasetOut(DatasetInfo):
    id: str
    name: str
    created_at: float


class DatasetsOut(BaseModel):
    items: list[DatasetOut]


@router.get("/datasets", response_model=DatasetsOut)
def list_datasets(lab: LabDep) -> Response:
    """All data sets, newest first."""

    def find() -> DatasetsOut:
        with lab.catalogue.reading() as session:
            return DatasetsOut(items=[_dataset_out(row) for row in queries.datasets(session)])

    return lab.remembered.answer("datasets", find)


@router.get("/datasets/{dataset_id}")
def read_dataset(dataset_id: RowId, lab: LabDep) -> DatasetOut:
    """One data set."""
    with lab.catalogue.reading() as session:
        return _dataset_out(dataset_row(session, dataset_id))


def _dataset_out(row: DatasetRow) -> DatasetOut:
    return DatasetOut(id=row.id, name=row.name, created_at=row.created_at, **row.info)
