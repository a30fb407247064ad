"""The images of a data set: a page of their labels, each as a PNG, its larger original, and what is known of it."""

import io
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Header, Path, Query, Response
from numpy.typing import NDArray
from pydantic import BaseModel

from backend.api.fields import RowId
from backend.api.rows import check_index, dataset_row, label_of
from backend.deps import LabDep
from backend.errors import ApiError
from simclr.datasets import Dataset, Split
from simclr.datasets.originals import MEDIA_TYPE as ORIGINAL_TYPE
from simclr.datasets.originals import read_original
from simclr.datasets.store import SPLITS, UNLABELLED

router = APIRouter(tags=["images"])

MAX_INDEX = 2**31 - 1
FOREVER = "private, max-age=31536000, immutable"
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


class AboutOut(ImageOut):
    """One image, and its neighbours among those of a split and class.

    ``file_name`` is null where images were no files, ``place`` (from 0) where the image is not among those.
    """

    file_name: str | None
    has_original: bool
    factors: dict[str, int | float]
    place: int | None
    previous: int | None
    next: int | None


class ImagesOut(BaseModel):
    total: int
    items: list[ImageOut]


class Choice(BaseModel):
    """Some of a set's images, in the set's order; ``class_index`` -1 stands for those without a label."""

    split: Split | None = None
    class_index: Annotated[int, Query(ge=UNLABELLED, le=MAX_INDEX)] | None = None


class ImagesQuery(Choice):
    offset: int = Query(0, ge=0, le=MAX_INDEX)
    limit: int = Query(60, ge=1, le=200)


@router.get("/datasets/{dataset_id}/images")
def list_images(dataset_id: RowId, query: Annotated[ImagesQuery, Query()], lab: LabDep) -> ImagesOut:
    """A page of the images of a split and class."""
    with lab.catalogue.reading() as session:
        dataset = lab.dataset(dataset_row(session, dataset_id).key)
    found = chosen(dataset, query)
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
    headers = {"ETag": tag, "Cache-Control": FOREVER, **IMAGE_HEADERS}
    if if_none_match == tag:
        return Response(status_code=304, headers=headers)
    return Response(png(dataset.images[index]), media_type="image/png", headers=headers)


@router.get("/datasets/{dataset_id}/images/{index}/about")
def read_about(dataset_id: RowId, index: ImageIndex, choice: Annotated[Choice, Query()], lab: LabDep) -> AboutOut:
    """What is known of an image, and where it stands among those of a split and class."""
    with lab.catalogue.reading() as session:
        row = dataset_row(session, dataset_id)
    dataset = lab.dataset(row.key)
    check_index(dataset, row, index, 404, "index")
    names = lab.origins.get(lab.folder / row.key).names
    found = chosen(dataset, choice)
    place = int(np.searchsorted(found, index))
    is_among = place < len(found) and found[place] == index
    after = place + 1 if is_among else place
    return AboutOut(
        **_image_out(dataset, index).model_dump(),
        file_name=names[index] if names else None,
        has_original=read_original(lab.folder / row.key, index) is not None,
        factors={name: values[index].item() for name, values in sorted(dataset.factors.items())},
        place=place if is_among else None,
        previous=int(found[place - 1]) if place else None,
        next=int(found[after]) if after < len(found) else None,
    )


@router.get(
    "/datasets/{dataset_id}/images/{index}/original",
    response_class=Response,
    responses={200: {"content": {ORIGINAL_TYPE: {"schema": {"type": "string", "format": "binary"}}}}},
)
def read_full_size(dataset_id: RowId, index: ImageIndex, lab: LabDep, if_none_match: IfNoneMatch = None) -> Response:
    """The original of an image that is stored smaller, as large as the import kept it; 404 where it kept none."""
    with lab.catalogue.reading() as session:
        row = dataset_row(session, dataset_id)
    check_index(lab.dataset(row.key), row, index, 404, "index")
    tag = f'"{row.content_hash[:16]}-{index}-original"'
    headers = {"ETag": tag, "Cache-Control": FOREVER, **IMAGE_HEADERS}
    if if_none_match == tag:
        return Response(status_code=304, headers=headers)
    original = read_original(lab.folder / row.key, index)
    if original is None:
        message = f"No larger original of image {index} of {row.name} was kept: what is stored is all there is."
        raise ApiError(404, "no_original", message, "index")
    return Response(original, media_type=ORIGINAL_TYPE, headers=headers)


def chosen(dataset: Dataset, choice: Choice) -> NDArray[np.int64]:
    """Positions of the images of a split and class, ascending."""
    mask = np.ones(len(dataset), dtype=bool)
    if choice.split is not None:
        mask &= dataset.splits == SPLITS.index(choice.split)
    if choice.class_index is not None:
        mask &= dataset.labels == choice.class_index
    return np.flatnonzero(mask)


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
