"""Search: which images of a data set does an encoder hold for similar?"""

import time
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from backend.api.banks import Features, bank_of
from backend.api.fields import RowId
from backend.api.images import MAX_INDEX
from backend.api.rows import check_index, dataset_row, encoder_row, label_of
from backend.api.search_answers import EnginesOut, QueryOut, SearchOut, engine_out, hits, precisions
from backend.api.search_filters import images_among, search_images
from backend.catalogue.models import BankRow, DatasetRow, EncoderRow
from backend.deps import Lab, LabDep
from backend.errors import ApiError
from backend.remembered import as_response
from backend.search_engines import Asked, Chosen, NoEngine
from backend.staging import MIB, read_body
from simclr.datasets import Dataset, Split
from simclr.datasets.store import UNLABELLED
from simclr.index import Index, Metric, Rows, combined

router = APIRouter(tags=["search"])

MAX_IMAGE_BYTES = 32 * MIB
MAX_CLASS = 100_000
MOST_IMAGES = 20  # that a query is made of
K = Annotated[int, Field(ge=1, le=200)]
ImageIndex = Annotated[int, Field(ge=0, le=MAX_INDEX)]


class _Asked(BaseModel):
    """Only images of ``split`` and of the class ``label`` are found, where they are given: ``k``, or fewer if that is allowed.

    ``features`` are h, or z behind the projection head. ``metric`` compares directions (cosine), or features as the encoder
    gives them (euclidean). ``engine`` auto is the exact one for small sets; GET /api/search/engines tells which there are.
    ``exclude_duplicates`` leaves out images with the pixels of the query or of a nearer hit.
    """

    encoder_id: RowId
    dataset_id: RowId
    k: K = 12
    or_fewer: bool = False
    split: Split | None = None
    label: Annotated[int, Field(ge=0, le=MAX_CLASS)] | None = None
    metric: Metric = "cosine"
    engine: Asked = "auto"
    exclude_duplicates: bool = False
    features: Features = "h"


class SearchIn(_Asked):
    """Images like ``image_index`` and ``also``, by the mean of their features, and unlike those of ``unlike``."""

    image_index: ImageIndex
    also: Annotated[list[ImageIndex], Field(max_length=MOST_IMAGES)] = []
    unlike: Annotated[list[ImageIndex], Field(max_length=MOST_IMAGES)] = []


class UploadSearchQuery(_Asked):
    pass


@dataclass(frozen=True)
class _Searched:
    """What a search is in: a set, its bank by the metric that was asked for, and the engine."""

    row: DatasetRow
    encoder: EncoderRow
    dataset: Dataset
    exact: Index
    chosen: Chosen


@router.get("/search/engines")
def list_engines(lab: LabDep, dataset_id: RowId) -> EnginesOut:
    """Which engines may be asked for, and which one answers in this set where none is."""
    with lab.catalogue.reading() as session:
        n = dataset_row(session, dataset_id).info["n"]
    return EnginesOut(here=lab.engines.here(), automatic=lab.engines.automatic(n))


@router.post("/search", response_model=SearchOut)
def search(body: SearchIn, lab: LabDep) -> Response:
    """The nearest neighbours of an image of the data set, or of several; they themselves are left out."""
    searched = _open(lab, body)
    dataset = searched.dataset
    named = {"image_index": [body.image_index], "also": body.also, "unlike": body.unlike}
    for field, indices in named.items():
        for each in indices:
            check_index(dataset, searched.row, each, 422, field)
    asked = {each for indices in named.values() for each in indices}
    among, k = images_among(dataset, searched.row, body, asked)
    query, engine = _query(searched.exact, body), searched.chosen.engine
    kinds = lab.kinds.get(lab.folder / searched.row.key) if body.exclude_duplicates else None
    began = time.perf_counter()
    found = search_images(engine, query, k, asked, among, kinds)
    took_s = time.perf_counter() - began
    label, class_name = label_of(dataset, body.image_index)
    # Where one class may be found, precision would say nothing.
    judged = UNLABELLED if label is None or body.label is not None else label
    precision, average = precisions(dataset, judged, found, among, asked, kinds)
    answer = SearchOut(
        k=k,
        metric=body.metric,
        engine=engine_out(searched.chosen, found, took_s),
        query=QueryOut(index=body.image_index, label=label, class_name=class_name),
        hits=hits(dataset, searched.exact, query, found),
        precision_at_k=precision,
        average_precision=average,
    )
    return as_response(answer.model_dump_json().encode())


@router.post(
    "/search/upload",
    response_model=SearchOut,
    openapi_extra={
        "requestBody": {"required": True, "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}
    },
)
async def search_upload(query: Annotated[UploadSearchQuery, Query()], request: Request, lab: LabDep) -> Response:
    """The nearest neighbours of the image that is the body of the request."""
    image = await read_body(request, MAX_IMAGE_BYTES)
    return await run_in_threadpool(_search_for, query, image, lab)


def _search_for(asked: UploadSearchQuery, image: bytes, lab: Lab) -> Response:
    searched = _open(lab, asked)
    dataset, engine = searched.dataset, searched.chosen.engine
    among, k = images_among(dataset, searched.row, asked)
    encoded = lab.ask(_encode_request(lab, searched.encoder, dataset, asked.features), [image])
    query = np.frombuffer(encoded.blobs[0], dtype=np.float32)
    kinds = lab.kinds.get(lab.folder / searched.row.key) if asked.exclude_duplicates else None
    began = time.perf_counter()
    found = search_images(
        engine, query, k, (), among, kinds, lambda index: dataset.images[index].tobytes() == encoded.blobs[1]
    )
    took_s = time.perf_counter() - began
    answer = SearchOut(
        k=k,
        metric=asked.metric,
        engine=engine_out(searched.chosen, found, took_s),
        query=QueryOut(index=None, label=None, class_name=None),
        hits=hits(dataset, searched.exact, query, found),
        precision_at_k=None,
        average_precision=None,
    )
    return as_response(answer.model_dump_json().encode())


def _open(lab: Lab, asked: _Asked) -> _Searched:
    """What is searched.

    Raises:
        ApiError: 404, 409 or 410, a part of it is not there; 409, its bank knows no distances; 422, there is no such engine.
    """

    def read() -> tuple[DatasetRow, EncoderRow, BankRow, str]:
        with lab.catalogue.reading() as session:
            row = dataset_row(session, asked.dataset_id)
            return row, encoder_row(session, asked.encoder_id), *bank_of(session, asked.encoder_id, row, asked.features)

    question = ("searched", asked.dataset_id, asked.encoder_id, asked.features)
    row, encoder, bank, key = lab.remembered.rows(question, read)
    dataset, index = lab.dataset(row.key), lab.bank(key)
    try:
        exact = index.by(asked.metric)
    except ValueError:
        message = (
            f"The embeddings of {row.name} by {encoder.name} were made before their lengths were kept, so they know no "
            "Euclidean distance: press Embed again, or search by cosine."
        )
        raise ApiError(409, "no_lengths", message, "metric") from None
    try:
        chosen = lab.engines.choose(asked.engine, lab.folder / key, bank.id, exact)
    except NoEngine as reason:
        raise ApiError(422, "no_engine", str(reason), "engine") from None
    return _Searched(row, encoder, dataset, exact, chosen)


def _query(exact: Index, body: SearchIn) -> Rows:
    like = [body.image_index, *body.also]
    if exact.metric == "euclidean":
        if body.unlike:
            message = (
                "A difference of images is a direction, which has no distance: search by cosine, or leave out unlike."
            )
            raise ApiError(422, "no_query", message, "unlike")
        place: Rows = exact.vectors(np.array(like)).mean(axis=0)
        return place
    try:
        return combined(exact.features, like, body.unlike)
    except ValueError as error:
        raise ApiError(422, "no_query", f"{str(error).capitalize()}.", "unlike") from None


def _encode_request(lab: Lab, encoder: EncoderRow, dataset: Dataset, features: Features) -> dict[str, Any]:
    # The image is first made such as those of the data set, then what the encoder expects: as its neighbours were.
    asked = {"do": "encode", "encoder": str(lab.folder / encoder.key), "features": features}
    return {**asked, "channels": dataset.channels, "image_size": dataset.image_size}
