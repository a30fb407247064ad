"""Maps: embeddings in two dimensions, how much they lie, and who is near whom in the space itself."""

import time
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, BackgroundTasks, Header, Query, Response
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.api.augmentations import Tab
from backend.api.fields import RowId
from backend.api.images import MAX_INDEX
from backend.api.job_answers import JobOut, jobs_out, submitted
from backend.api.rows import dataset_row, encoder_row
from backend.catalogue.models import DatasetRow, EncoderRow, MapRow
from backend.deps import Lab, LabDep
from backend.errors import ApiError, not_found
from backend.jobs import store
from backend.jobs.map_order import MOST_ENCODERS, MapOrder
from backend.jobs.maps import (
    MAPS,
    bank_key,
    content_of,
    enter_map,
    job_making,
    map_with_content,
)
from backend.jobs.states import Kind
from simclr.map_config import MapConfig
from simclr.results import MapFigures, MapResult
from simclr.runs import writing

router = APIRouter(tags=["maps"])

MEDIA_TYPE = "application/octet-stream"
FOREVER = "private, max-age=31536000, immutable"
# A PCA needs no more of them than this to be drawn at once; a course of epochs has fewer.
Frame = Annotated[int, Query(ge=0, lt=MOST_ENCODERS)]


class MapIn(BaseModel):
    """Of several encoders each map begins where the one before lies, and is held to it."""

    dataset_id: RowId
    encoder_ids: Annotated[list[RowId], Field(min_length=1, max_length=MOST_ENCODERS)]
    config: MapConfig = MapConfig()
    tab: Tab = ""


class MapOut(BaseModel):
    """A map for each of ``encoder_ids``, with the figures that say how much it lies; ``n`` points each."""

    id: str
    dataset_id: str
    encoder_ids: list[str]
    method: Literal["umap", "pca"]
    config: MapConfig
    n: int
    maps: list[MapFigures]
    created_at: float


class MapsOut(BaseModel):
    items: list[MapOut]


class MapStandingOut(BaseModel):
    """The map where it is there, else the job that makes it. It was ``remade`` where the file of an earlier one was damaged."""

    map: MapOut | None
    job: JobOut | None
    remade: bool


class NeighboursOut(BaseModel):
    """The nearest images of one in the space itself, and how many of them are among as many nearest in the map."""

    index: int
    neighbours: list[int]
    in_map: int


class MapsQuery(BaseModel):
    dataset_id: RowId


class NeighboursQuery(BaseModel):
    index: int = Query(ge=0, le=MAX_INDEX)
    k: int = Query(10, ge=1, le=100)
    frame: Frame = 0


@router.get("/maps")
def list_maps(query: Annotated[MapsQuery, Query()], lab: LabDep) -> MapsOut:
    """All maps of a data set, newest first."""
    with lab.catalogue.reading() as session:
        dataset = dataset_row(session, query.dataset_id)
        rows = session.scalars(select(MapRow).where(MapRow.dataset_id == dataset.id).order_by(MapRow.id.desc()))
        return MapsOut(items=[map_out(row) for row in rows])


@router.post("/maps", responses={202: {"model": MapStandingOut, "description": "A job makes the map."}})
def make_map(body: MapIn, after: BackgroundTasks, response: Response, lab: LabDep) -> MapStandingOut:
    """The map: one that is there, a PCA drawn at once, or of a UMAP the job that makes it."""
    with lab.catalogue.reading() as session:
        dataset, encoders, banks = _asked(session, body)
        content = content_of(encoders, dataset, body.config)
        known, making = map_with_content(session, content), job_making(session, content)
        if known is not None and _is_whole(lab, known):
            return MapStandingOut(map=map_out(known), job=None, remade=False)
        standing = [] if making is None else jobs_out(session, [making])
    if standing:
        response.status_code = 202
        return MapStandingOut(map=None, job=standing[0], remade=known is not None)
    order = MapOrder(encoder_ids=body.encoder_ids, **body.config.model_dump())
    if body.config.method == "pca":
        return MapStandingOut(map=_drawn(lab, body, order, banks, content), job=None, remade=known is not None)
    job, _ = submitted(lab, None, lambda _: _submission(order, dataset, encoders))
    after.add_task(lab.bell.ring)
    response.status_code = 202
    return MapStandingOut(map=None, job=job, remade=known is not None)


@router.get("/maps/{map_id}")
def read_map(map_id: RowId, lab: LabDep) -> MapOut:
    """One map."""
    with lab.catalogue.reading() as session:
        return map_out(_row(session, map_id))


@router.get("/maps/{map_id}/points", responses={200: {"content": {MEDIA_TYPE: {}}}}, response_class=Response)
def read_points(
    map_id: RowId, lab: LabDep, frame: Frame = 0, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """The points of the map number ``frame``, float32 little-endian, x and y of one image after the other."""
    with lab.catalogue.reading() as session:
        row = _row(session, map_id)
    headers = {"ETag": f'"{map_id}-{frame}"', "Cache-Control": FOREVER}
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(_points(lab, row, frame).astype("<f4").tobytes(), media_type=MEDIA_TYPE, headers=headers)


@router.get("/maps/{map_id}/neighbours")
def find_neighbours(map_id: RowId, query: Annotated[NeighboursQuery, Query()], lab: LabDep) -> NeighboursOut:
    """Who is near an image in the space that is mapped: the map lies a little."""
    with lab.catalogue.reading() as session:
        row = _row(session, map_id)
        places = _points(lab, row, query.frame)
        config = MapConfig.model_validate(row.config)
        key = bank_key(session, row.encoder_ids[query.frame], row.dataset_id, config.features)
        if key is None:
            encoder = session.get(EncoderRow, row.encoder_ids[query.frame])
            whose = encoder.name if encoder is not None else "an encoder that was deleted"
            message = f"The embeddings of {whose} are not there any more: the map can be seen, but not its space."
            raise ApiError(410, "no_embeddings", message)
    if query.index >= len(places):
        message = f"This map has {len(places)} points, numbered from 0: there is no point {query.index}."
        raise ApiError(422, "unknown_image", message, "index")
    index = lab.bank(key)
    found = index.search(index.features[query.index], query.k, {query.index})[0]
    apart = np.square(places - places[query.index]).sum(axis=1)
    apart[query.index] = np.inf
    near = np.argsort(apart, kind="stable")[: len(found)]
    return NeighboursOut(index=query.index, neighbours=found.tolist(), in_map=len(np.intersect1d(found, near)))


def map_out(row: MapRow) -> MapOut:
    """A map as its row has it."""
    result, config = MapResult.model_validate(row.result), MapConfig.model_validate(row.config)
    return MapOut(
        id=row.id,
        dataset_id=row.dataset_id,
        encoder_ids=row.encoder_ids,
        method=config.method,
        config=config,
        n=result.n,
        maps=result.maps,
        created_at=row.created_at,
    )


def _asked(session: Session, body: MapIn) -> tuple[DatasetRow, list[EncoderRow], list[str]]:
    """The set, the encoders and their banks.

    Raises:
        ApiError: 404 one of them is not there; 409 an encoder has not embedded the set; 422 it has too few images.
    """
    dataset = dataset_row(session, body.dataset_id)
    encoders = [encoder_row(session, encoder_id) for encoder_id in body.encoder_ids]
    keys = [bank_key(session, encoder.id, dataset.id, body.config.features) for encoder in encoders]
    missing = [encoder.name for encoder, key in zip(encoders, keys, strict=True) if key is None]
    if missing:
        more = f" and {len(missing) - 1} more have" if len(missing) > 1 else " has"
        what = "embeddings" if body.config.features == "h" else "projections"
        message = f"{missing[0]}{more} no {what} of {dataset.name} yet: press Embed, then make the map."
        raise ApiError(409, "no_embeddings", message, "encoder_ids")
    n, wanted = int(dataset.info["n"]), body.config.neighbours
    if body.config.method == "umap" and n <= wanted:
        advice = f"choose {n - 1} or fewer" if n > 2 else "a UMAP needs at least 3 images"
        message = f"neighbours is {wanted}, but {dataset.name} has {n} images: {advice}, or use PCA."
        raise ApiError(422, "too_few_images", message, "config.neighbours")
    return dataset, encoders, [key for key in keys if key is not None]


def _drawn(lab: Lab, body: MapIn, order: MapOrder, banks: list[str], content: str) -> MapOut:
    """A map that is made at once, by the child that takes seconds, and kept under its content's name."""
    began = time.monotonic()
    request = {
        "do": "maps",
        "banks": [str(lab.folder / key) for key in banks],
        "config": body.config.model_dump(mode="json"),
    }
    # Two maps side by side are asked for by one tab at once: only the same one replaces another.
    answer = lab.study(request, [], body.tab and f"{body.tab} {content}")
    places = np.frombuffer(answer.blobs[0], np.float32).reshape(len(banks), answer.header["n"], 2)
    key = f"{MAPS}/{content}.npy"
    with writing(lab.folder / key, places.nbytes) as temporary:
        np.save(temporary, places, allow_pickle=False)
    lab.maps.forget(lab.folder / key)
    result = MapResult(
        method=body.config.method, seconds=time.monotonic() - began, n=places.shape[1], maps=answer.header["maps"]
    )
    with lab.catalogue.writing() as session:
        dataset_row(session, body.dataset_id, lock="share")  # which may have been deleted since we looked
        row = enter_map(
            session, content=content, order=order, dataset_id=body.dataset_id, key=key, result=result, job_id=None
        )
        session.flush()
        return map_out(row)


def _submission(order: MapOrder, dataset: DatasetRow, encoders: list[EncoderRow]) -> store.Submission:
    whose = encoders[0].name if len(encoders) == 1 else f"{len(encoders)} encoders"
    return store.Submission(
        kind=Kind.MAP,
        dataset_id=dataset.id,
        config=order.model_dump(mode="json"),
        encoder_id=encoders[-1].id,
        name=f"UMAP of {whose} on {dataset.name}",
    )


def _row(session: Session, map_id: str) -> MapRow:
    row = session.get(MapRow, map_id)
    if row is None:
        raise not_found("map", map_id, "GET /api/maps lists those of a data set")
    return row


def _points(lab: Lab, row: MapRow, frame: int) -> NDArray[np.float32]:
    """Shape (N, 2); a memory map.

    Raises:
        ApiError: 410, the file is damaged, so that the map has to be made again; 422, there are fewer maps.
    """
    if frame >= len(row.encoder_ids):
        message = f"This is a map of {len(row.encoder_ids)} encoders, numbered from 0: there is no number {frame}."
        raise ApiError(422, "unknown_frame", message, "frame")
    try:
        opened: NDArray[np.float32] = _opened(lab, row)[frame]
    except (OSError, ValueError):
        message = "The file of this map is missing or damaged: make the map again."
        raise ApiError(410, "map_damaged", message) from None
    return opened


def _is_whole(lab: Lab, row: MapRow) -> bool:
    try:
        _opened(lab, row)
    except (OSError, ValueError):
        return False
    return True


def _opened(lab: Lab, row: MapRow) -> NDArray[np.float32]:
    """The maps of a row, float32 of shape (M, N, 2).

    Raises:
        OSError, ValueError: the file is missing, or is not what the row says.
    """
    path = lab.folder / row.key
    expected = (len(row.encoder_ids), int(row.result["n"]), 2)
    places = lab.maps.get(path)
    # A file may lose its end after it was opened.
    if places.shape != expected or places.dtype != np.float32 or path.stat().st_size < places.nbytes:
        lab.maps.forget(path)
        raise ValueError(f"{path} holds {places.dtype} of {places.shape}, not a map of {expected}")
    return places
