"""The images of a data set: a page of their labels, and each as a PNG."""

import io
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Header, Path, Query, Response
from numpy.typing import NDArray
from pydantic import BaseModel

from backend.api.fields import RowId
from backend.api.rows import check_index, dataset_row, label_of
from backend.deps import LabDep
from simclr.datasets import Dataset, Split
from simclr.datasets.store import SPLITS

router = APIRouter(tags=["images"])

MAX_INDEX = 2**31 - 1
# Opened by itself, an image is a page of our origin: give it no rights at all.
IMAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Content-Disposition": "inline; filename=image.png",
}
IfNoneMatch = Annotated[str | None, Header()]
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
    with lab.catalogue.reading() as session:
        dataset = lab.dataset(dataset_row(session, dataset_id).key)
    mask = np.ones(len(dataset), dtype=bool)
    if query.split is not None:
        mask &= dataset.splits == SPLITS.index(query.split)
    if query.class_index is not None:
        mask &= dataset.labels == query.class_index
    found = np.flatnonzero(mask)
    page = found[query.offset : query.offset + query.limit]
    return ImagesOut(total=len(found), items=[_image_out(dataset, int(index)) for index in page])


@router.get(
    "/datasets/{dataset_id}/images/{index}",
    response_class=Response,
    responses={200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}},
)
def read_image(dataset_id: RowId, index: ImageIndex, lab: LabDep, if_none_match: IfNoneMatch = None) -> Response:
    """One image as PNG; it never changes."""
    with lab.catalogue.reading() as session:
        row = dataset_row(session, dataset_id)
    dataset = lab.dataset(row.key)
    check_index(dataset, row, index, 404, "index")
    tag = f'"{row.content_hash[:16]}-{index}"'
    headers = {"ETag": tag, "Cache-Control": "private, max-age=31536000, immutable", **IMAGE_HEADERS}
    if if_none_match == tag:
        return Response(status_code=304, headers=headers)
    return Response(png(dataset.images[index]), media_type="image/png", headers=headers)


def png(image: NDArray[np.uint8]) -> bytes:
    """Encode an image, uint8 of shape (C, H, W), C is 1 or 3."""
    from PIL import Image  # 50 ms that the start of the API need not wait for

    file = io.BytesIO()
    array = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(array)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _image_out(dataset: Dataset, index: int) -> ImageOut:
    label, class_name = label_of(dataset, index)
    return ImageOut(index=index, label=label, class_name=class_name, split=SPLITS[dataset.splits[index]])
