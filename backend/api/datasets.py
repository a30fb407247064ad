"""Image sets: the built-in ones, uploads, and what is known of each."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from backend.api.fields import Name, RowId
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
    source: Literal["digits", "patterns"]


class UploadQuery(BaseModel):
    format: Literal["zip", "npz"]
    name: Name = ""
    image_size: Annotated[int, Query(ge=8, le=224)] | None = None


@router.get("/datasets")
def list_datasets(lab: LabDep) -> DatasetsOut:
    """All data sets, newest first."""
    raise NotImplementedError


@router.post("/datasets/builtin", status_code=201, responses={200: {"model": DatasetOut, **EXISTING[200]}})
def add_builtin(body: BuiltinIn, response: Response, lab: LabDep) -> DatasetOut:
    """Make a built-in data set."""
    raise NotImplementedError


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
    raise NotImplementedError


@router.get("/datasets/{dataset_id}")
def read_dataset(dataset_id: RowId, lab: LabDep) -> DatasetOut:
    """One data set."""
    raise NotImplementedError
