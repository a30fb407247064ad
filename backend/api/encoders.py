"""Encoders: what pretraining made, and the two baselines to hold against it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from backend.api.fields import RowId
from backend.deps import LabDep
from simclr.config import Seed

router = APIRouter(tags=["encoders"])

Origin = Literal["pretrained", "untrained", "pixels"]


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


@router.get("/encoders")
def list_encoders(lab: LabDep) -> EncodersOut:
    """All encoders, newest first."""
    raise NotImplementedError


@router.post("/encoders", status_code=201, responses={200: {"model": EncoderOut, "description": "It exists already."}})
def add_encoder(body: EncoderIn, response: Response, lab: LabDep) -> EncoderOut:
    """Make a baseline."""
    raise NotImplementedError


@router.get("/encoders/{encoder_id}")
def read_encoder(encoder_id: RowId, lab: LabDep) -> EncoderOut:
    """One encoder."""
    raise NotImplementedError
