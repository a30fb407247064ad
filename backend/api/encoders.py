"""Encoders: what pretraining made, and the two baselines to hold against it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, TypeAdapter

from backend.api.fields import RowId
from backend.api.rows import dataset_row, encoder_row
from backend.baselines import add_pixels, add_untrained
from backend.catalogue import queries
from backend.catalogue.models import EncoderRow
from backend.deps import Lab, LabDep
from simclr.config import Seed
from simclr.encoder_file import Origin

router = APIRouter(tags=["encoders"])

origin: TypeAdapter[Origin] = TypeAdapter(Origin)


class ArchitectureOut(BaseModel):
    architecture: str
    width: int
    stem: str


class EncoderOut(BaseModel):
    """``architecture`` is null for pixels; ``embedded_dataset_ids`` names the data sets that can be searched with it."""

    id: str
    name: str
    origin: Origin
    job_id: str | None
    dataset_id: str
    created_at: float
    feature_dim: int
    channels: int
    image_size: int
    architecture: ArchitectureOut | None
    embedded_dataset_ids: list[str]


class EncodersOut(BaseModel):
    items: list[EncoderOut]


class UntrainedIn(BaseModel):
    """The same network as ``like`` with the random weights it would start from."""

    origin: Literal["untrained"]
    like: RowId
    seed: Seed = 0


class PixelsIn(BaseModel):
    """No network: the pixels themselves."""

    origin: Literal["pixels"]
    dataset_id: RowId


EncoderIn = Annotated[UntrainedIn | PixelsIn, Field(discriminator="origin")]


@router.get("/encoders", response_model=EncodersOut)
def list_encoders(lab: LabDep) -> Response:
    """All encoders, newest first."""

    def find() -> EncodersOut:
        with lab.catalogue.reading() as session:
            embedded = queries.embedded_datasets(session)
            return EncodersOut(items=[_encoder_out(row, embedded) for row in queries.encoders(session)])

    return lab.remembered.answer("encoders", find)


@router.post("/encoders", status_code=201, responses={200: {"model": EncoderOut, "description": "It exists already."}})
def add_encoder(body: EncoderIn, response: Response, lab: LabDep) -> EncoderOut:
    """Make a baseline."""
    row, is_new = _make(body, lab)
    response.status_code = 201 if is_new else 200
    with lab.catalogue.reading() as session:
        return _encoder_out(row, queries.embedded_datasets(session))


def _make(body: EncoderIn, lab: Lab) -> tuple[EncoderRow, bool]:
    if isinstance(body, PixelsIn):
        with lab.catalogue.reading() as session:
            dataset = dataset_row(session, body.dataset_id)
        return add_pixels(lab, dataset)
    with lab.catalogue.reading() as session:
        like = encoder_row(session, body.like)
    return add_untrained(lab, like, body.seed)


@router.get("/encoders/{encoder_id}")
def read_encoder(encoder_id: RowId, lab: LabDep) -> EncoderOut:
    """One encoder."""
    with lab.catalogue.reading() as session:
        return _encoder_out(encoder_row(session, encoder_id), queries.embedded_datasets(session))


def _encoder_out(row: EncoderRow, embedded: dict[str, list[str]]) -> EncoderOut:
    return EncoderOut(
        id=row.id,
        name=row.name,
        origin=origin.validate_python(row.origin),
        job_id=row.job_id,
        dataset_id=row.dataset_id,
        created_at=row.created_at,
        embedded_dataset_ids=embedded.get(row.id, []),
        **{name: row.description[name] for name in ("feature_dim", "channels", "image_size", "architecture")},
    )
