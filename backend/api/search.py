"""Search: which images of a data set does an encoder hold for similar?"""

from collections.abc import Collection
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from backend.api.fields import RowId
from backend.api.images import MAX_INDEX
from backend.api.rows import check_index, dataset_row, encoder_row, label_of
from backend.catalogue import queries
from backend.catalogue.models import BankRow, DatasetRow, EncoderRow
from backend.deps import Lab, LabDep
from backend.errors import ApiError
from backend.staging import MIB, read_body
from simclr.datasets import Dataset, Split
from simclr.datasets.store import SPLITS
from simclr.index import combined, precision_at_k

router = APIRouter(tags=["search"])

MAX_IMAGE_BYTES = 32 * MIB
MAX_CLASS = 100_000
MOST_IMAGES = 20  # that a query is made of
K = Annotated[int, Field(ge=1, le=200)]
ImageIndex = Annotated[int, Field(ge=0, le=MAX_INDEX)]


class _Asked(BaseModel):
    """Only images of ``split`` and of the class ``label`` are found, where they are given."""

    encoder_id: RowId
    dataset_id: RowId
    k: K = 12
    split: Split | None = None
    label: Annotated[int, Field(ge=0, le=MAX_CLASS)] | None = None


class SearchIn(_Asked):
    """Images like ``image_index`` and ``also``, by the mean of their features, and unlike those of ``unlike``."""

    image_index: ImageIndex
    also: Annotated[list[ImageIndex], Field(max_length=MOST_IMAGES)] = []
    unlike: Annotated[list[ImageIndex], Field(max_length=MOST_IMAGES)] = []


class UploadSearchQuery(_Asked):
    pass


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
    """``precision_at_k``: the share of labelled hits of the query's class; null without labels, or if one class was asked for."""

    k: int
    query: QueryOut
    hits: list[HitOut]
    precision_at_k: float | None


@router.post("/search")
def search(body: SearchIn, lab: LabDep) -> SearchOut:
    """The nearest neighbours of an image of the data set, or of several; they themselves are left out."""
    with lab.catalogue.reading() as session:
        row = dataset_row(session, body.dataset_id)
        bank = bank_row(session, body.encoder_id, row)
    dataset, index = lab.dataset(row.key), lab.bank(bank.key)
    named = {"image_index": [body.image_index], "also": body.also, "unlike": body.unlike}
    for field, indices in named.items():
        for each in indices:
            check_index(dataset, row, each, 422, field)
    asked = {each for indices in named.values() for each in indices}
    among = _among(dataset, row, body, asked)
    try:
        query = combined(index.features, [body.image_index, *body.also], body.unlike)
    except ValueError as error:
        raise ApiError(422, "no_query", f"{str(error).capitalize()}.", "unlike") from None
    found, similarities = index.search(query, body.k, asked, among)[:2]
    label, class_name = label_of(dataset, body.image_index)
    return SearchOut(
        k=body.k,
        query=QueryOut(index=body.image_index, label=label, class_name=class_name),
        hits=hits(dataset, found, similarities),
        precision_at_k=_precision(dataset, body, found),
    )


@router.post(
    "/search/upload",
    openapi_extra={
        "requestBody": {"required": True, "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}
    },
)
async def search_upload(query: Annotated[UploadSearchQuery, Query()], request: Request, lab: LabDep) -> SearchOut:
    """The nearest neighbours of the image that is the body of the request."""
    image = await read_body(request, MAX_IMAGE_BYTES)
    return await run_in_threadpool(_search_for, query, image, lab)


def _search_for(query: UploadSearchQuery, image: bytes, lab: Lab) -> SearchOut:
    with lab.catalogue.reading() as session:
        row = dataset_row(session, query.dataset_id)
        encoder = encoder_row(session, query.encoder_id)
        bank = bank_row(session, query.encoder_id, row)
    dataset, index = lab.dataset(row.key), lab.bank(bank.key)
    among = _among(dataset, row, query)
    answer = lab.ask(_encode_request(lab, encoder, dataset), [image])
    found, similarities = index.search(np.frombuffer(answer.blobs[0], dtype=np.float32), query.k, among=among)[:2]
    return SearchOut(
        k=query.k,
        query=QueryOut(index=None, label=None, class_name=None),
        hits=hits(dataset, found, similarities),
        precision_at_k=None,
    )


def _encode_request(lab: Lab, encoder: EncoderRow, dataset: Dataset) -> dict[str, Any]:
    # The image is first made such as those of the data set, then what the encoder expects: as its neighbours were.
    path = str(lab.folder / encoder.key)
    return {"do": "encode", "encoder": path, "channels": dataset.channels, "image_size": dataset.image_size}


def bank_row(session: Session, encoder_id: str, dataset: DatasetRow) -> BankRow:
    """The bank of an encoder for a data set.

    Raises:
        ApiError: 404 there is no such encoder; 409 it has not embedded this data set.
    """
    encoder = encoder_row(session, encoder_id)
    bank = queries.bank(session, encoder_id, dataset.id)
    if bank is None:
        message = f"{encoder.name} has no embeddings of {dataset.name} yet: press Embed, then search again."
        raise ApiError(409, "no_embeddings", message)
    return bank


def _precision(dataset: Dataset, asked: SearchIn, found: NDArray[np.int64]) -> float | None:
    """None also where only one class may be found, as it would say nothing."""
    return (
        precision_at_k(int(dataset.labels[asked.image_index]), dataset.labels[found]) if asked.label is None else None
    )


def _among(dataset: Dataset, row: DatasetRow, asked: _Asked, left_out: Collection[int] = ()) -> NDArray[np.bool_]:
    """Which images may be found, those of the query not counted.

    Raises:
        ApiError: 422, the set has no such class, or fewer than k may be found.
    """
    if asked.label is not None and asked.label >= len(dataset.classes):
        message = f"label is {asked.label} but {row.name} has {len(dataset.classes)} classes, counted from 0."
        raise ApiError(422, "unknown_class", message, "label")
    among = np.ones(len(dataset), bool)
    if asked.split is not None:
        among &= dataset.splits == SPLITS.index(asked.split)
    if asked.label is not None:
        among &= dataset.labels == asked.label
    available = int(among.sum()) - sum(bool(among[each]) for each in left_out)
    if asked.k > available:
        message = f"k is {asked.k} but there are only {available} images to find: choose a smaller k."
        raise ApiError(422, "k_too_large", message, "k")
    return among


def hits(dataset: Dataset, found: NDArray[np.int64], similarities: NDArray[np.float64]) -> list[HitOut]:
    """What was found, with labels and splits."""
    listed = []
    for index, similarity in zip(found.tolist(), similarities.tolist(), strict=True):
        label, class_name = label_of(dataset, index)
        split = SPLITS[dataset.splits[index]]
        listed.append(HitOut(index=index, similarity=similarity, label=label, class_name=class_name, split=split))
    return listed
