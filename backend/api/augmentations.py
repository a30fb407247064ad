"""What augmentation does to chosen images, drawn by the code that training uses."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from backend.api.fields import RowId
from backend.api.images import MAX_INDEX
from backend.deps import LabDep
from simclr.config import AugmentConfig, Seed

router = APIRouter(tags=["augmentations"])

MAX_PREVIEW = 16


class PreviewIn(BaseModel):
    dataset_id: RowId
    indices: list[Annotated[int, Field(ge=0, le=MAX_INDEX)]] = Field(min_length=1, max_length=MAX_PREVIEW)
    config: AugmentConfig
    seed: Seed = 0


class PairOut(BaseModel):
    """An image and the two views drawn of it, as ``data:image/png`` addresses."""

    index: int
    original: str
    first: str
    second: str


class PreviewOut(BaseModel):
    pairs: list[PairOut]


@router.post("/augmentations/preview")
def preview(body: PreviewIn, lab: LabDep) -> PreviewOut:
    """Draw two views of each image; the same seed draws the same views."""
    raise NotImplementedError
