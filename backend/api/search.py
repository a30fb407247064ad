"""Search: which images of a data set does an encoder hold for similar?"""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from backend.api.fields import RowId
from backend.api.images import MAX_INDEX
from backend.deps import LabDep
from simclr.datasets import Split

router = APIRouter(tags=["search"])

K = Annotated[int, Field(ge=1, le=200)]


class SearchIn(BaseModel):
    encoder_id: RowId
    dataset_id: RowId
    k: K = 12
    image_index: int = Field(ge=0, le=MAX_INDEX)


class UploadSearchQuery(BaseModel):
    encoder_id: RowId
    dataset_id: RowId
    k: K = 12


class QueryOut(BaseModel):
    """The image that was asked for; all null for an uploaded one."""

    index: int | None
    label: int | None
    class_name: str | None


class HitOut(BaseModel):
    """A neighbour; ``similarity`` is the cosine of the angle between the features, in [-1, 1]."""

    index: int
    similarity: float
    label: int | None
    class_name: str | None
    split: Split


class SearchOut(BaseModel):
    """``precision_at_k`` is the share of labelled hits of the query's class; null where there is no label."""

    k: int
    query: QueryOut
    hits: list[HitOut]
    precision_at_k: float | None


@router.post("/search")
def search(body: SearchIn, lab: LabDep) -> SearchOut:
    """The nearest neighbours of an image of the data set, itself left out."""
    raise NotImplementedError


@router.post(
    "/search/upload",
    openapi_extra={
        "requestBody": {"required": True, "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}
    },
)
async def search_upload(query: Annotated[UploadSearchQuery, Query()], request: Request, lab: LabDep) -> SearchOut:
    """The nearest neighbours of the image that is the body of the request."""
    raise NotImplementedError
