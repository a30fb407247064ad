"""Search: which images of a data set does an encoder hold for similar?"""

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
from simclr.index import precision_at_k

router = APIRouter(tags=["search"])

MAX_IMAGE_BYTES = 32 * MIB
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
    with lab.catalogue.reading() as session:
        row = dataset_row(session, body.dataset_id)
        bank = bank_row(session, body.encoder_id, row)
    dataset, index = lab.dataset(row.key), lab.bank(bank.key)
    check_index(dataset, row, body.image_index, 422, "image_index")
    # The image itself is left out, so one fewer can be found.
    check_k(body.k, len(index) - 1)
    found, similarities = index.search(index.features[body.image_index], body.k, {body.image_index})
    label, class_name = label_of(dataset, body.image_index)
    return SearchOut(
        k=body.k,
        query=QueryOut(index=body.image_index, label=label, class_name=class_name),
        hits=hits(dataset, found, similarities),
        precision_at_k=precision_at_k(int(dataset.labels[body.image_index]), dataset.labels[found]),
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
    check_k(query.k, len(index))
    answer = lab.ask(_encode_request(lab, encoder, dataset), [image])
    found, similarities = index.search(np.frombuffer(answer.blobs[0], dtype=np.float32), query.k)
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


def check_k(k: int, available: int) -> None:
    """Refuse to look for more images than there are."""
    if k > available:
        message = f"k is {k} but there are only {available} images to find: choose a smaller k."
        raise ApiError(422, "k_too_large", message, "k")


def hits(dataset: Dataset, found: NDArray[np.int64], similarities: NDArray[np.float32]) -> list[HitOut]:
    """What was found, with labels and splits."""
    listed = []
    for index, similarity in zip(found.tolist(), similarities.tolist(), strict=True):
        label, class_name = label_of(dataset, index)
        split = SPLITS[dataset.splits[index]]
        listed.append(HitOut(index=index, similarity=similarity, label=label, class_name=class_name, split=split))
    return listed
