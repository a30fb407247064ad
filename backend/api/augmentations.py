"""What augmentation does to chosen images, drawn by the code that training uses."""

import base64
from typing import Annotated

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, Field

from backend.api.fields import RowId
from backend.api.images import MAX_INDEX
from backend.api.rows import check_index, dataset_row
from backend.deps import LabDep
from simclr.config import AugmentConfig, Seed
from simclr.policy import without_effect

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
    """``in_vain`` names, a sentence each, what is switched on but changes no view of such images."""

    pairs: list[PairOut]
    in_vain: list[str]


@router.post("/augmentations/preview")
def preview(body: PreviewIn, lab: LabDep) -> PreviewOut:
    """Draw two views of each image; the same seed draws the same views."""
    with lab.catalogue.reading() as session:
        row = dataset_row(session, body.dataset_id)
    dataset = lab.dataset(row.key)
    for position, index in enumerate(body.indices):
        check_index(dataset, row, index, 422, f"indices.{position}")
    images = np.ascontiguousarray(dataset.images[body.indices])
    request = {"do": "preview", "indices": body.indices, "shape": images.shape, "seed": body.seed}
    answer = lab.ask({**request, "config": body.config.model_dump()}, [images.data.cast("B")])
    shown = iter(map(data_address, answer.blobs))
    return PreviewOut(
        pairs=[
            PairOut(index=index, original=original, first=first, second=second)
            for index, original, first, second in zip(body.indices, shown, shown, shown, strict=True)
        ],
        in_vain=without_effect(body.config, dataset.channels, dataset.image_size),
    )


def data_address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
