"""The images of a data set: a page of their labels, and each as a PNG."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from backend.api.fields import RowId
from backend.deps import LabDep
from simclr.datasets import Split

router = APIRouter(tags=["images"])

MAX_INDEX = 2**31 - 1
ImageIndex = Annotated[int, Path(ge=0, le=MAX_INDEX)]


class ImageOut(BaseModel):
    """``label`` and ``class_name`` are null for an image without a label."""

    index: int
    label: int | None
    class_name: str | None
    split: Split


class ImagesOut(BaseModel):
    total: int
    items: list[ImageOut]


class ImagesQuery(BaseModel):
    split: Split | None = None
    class_index: Annotated[int, Query(ge=0, le=MAX_INDEX)] | None = None
    offset: int = Query(0, ge=0, le=MAX_INDEX)
    limit: int = Query(60, ge=1, le=200)


@router.get("/datasets/{dataset_id}/images")
def list_images(dataset_id: RowId, query: Annotated[ImagesQuery, Query()], lab: LabDep) -> ImagesOut:
    """A page of the images of a split and class."""
    raise NotImplementedError


@router.get(
    "/datasets/{dataset_id}/images/{index}",
    response_class=Response,
    responses={200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}},
)
def read_image(dataset_id: RowId, index: ImageIndex, lab: LabDep) -> Response:
    """One image as PNG; it never changes."""
    raise NotImplementedError
