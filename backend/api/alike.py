"""Why is a hit alike? The regions of two images that carry their similarity under an encoder."""

from typing import Self

import numpy as np
from fastapi import APIRouter
from pydantic import Base64Bytes, BaseModel, model_validator

from backend.api.augmentations import data_address
from backend.api.fields import RowId
from backend.api.rows import check_index, dataset_row, encoder_row
from backend.api.search import ImageIndex
from backend.deps import LabDep
from backend.errors import ApiError

router = APIRouter(tags=["search"])


class WhyIn(BaseModel):
    """A query, which is the image ``image_index`` of the set or a ``photo`` (any picture, as base64), and the image ``hit``."""

    encoder_id: RowId
    dataset_id: RowId
    hit: ImageIndex
    image_index: ImageIndex | None = None
    photo: Base64Bytes | None = None

    @model_validator(mode="after")
    def _one_query(self) -> Self:
        if (self.image_index is None) == (self.photo is None):
            raise ValueError("name the query's image_index, or send a photo: exactly one of them")
        return self


class WhyOut(BaseModel):
    """Similarity maps: what each place of ``rows`` × ``columns`` adds to the cosine of h; either map sums to it.

    ``query_picture`` is the query as the encoder's set has images, as a ``data:image/png`` address.
    """

    cosine: float
    rows: int
    columns: int
    query: list[list[float]]
    hit: list[list[float]]
    query_picture: str


@router.post("/search/why")
def explain(body: WhyIn, lab: LabDep) -> WhyOut:
    """Which regions of a query and of a hit an encoder finds alike: their cosine similarity, place by place.

    Source: Stylianou, Souvenir and Pless 2019, arXiv:1901.00536.
    """
    with lab.catalogue.reading() as session:
        row = dataset_row(session, body.dataset_id)
        encoder = encoder_row(session, body.encoder_id)
    if encoder.description["architecture"] is None:
        message = (
            f"{encoder.name} compares pixels, which have no feature maps: nothing says which regions are alike. "
            "Choose an encoder that is a network."
        )
        raise ApiError(422, "no_feature_maps", message, "encoder_id")
    dataset = lab.dataset(row.key)
    check_index(dataset, row, body.hit, 422, "hit")
    if body.image_index is not None:
        check_index(dataset, row, body.image_index, 422, "image_index")
    hit = dataset.images[body.hit]
    query = body.photo if body.photo is not None else dataset.images[body.image_index].tobytes()
    request = {
        "do": "why",
        "encoder": str(lab.folder / encoder.key),
        "shape": hit.shape,
        "is_photo": body.photo is not None,
    }
    answer = lab.ask(request, [hit.tobytes(), query])
    rows, columns = answer.header["grid"]
    first, second = np.frombuffer(answer.blobs[0], dtype=np.float32).reshape(2, rows, columns)
    return WhyOut(
        cosine=answer.header["cosine"],
        rows=rows,
        columns=columns,
        query=first.tolist(),
        hit=second.tolist(),
        query_picture=data_address(answer.blobs[1]),
    )
