"""Finding the embeddings that a request names, or saying what to do where there are none."""

from typing import Literal

from sqlalchemy.orm import Session

from backend.api.rows import encoder_row
from backend.catalogue import queries
from backend.catalogue.models import BankRow, DatasetRow
from backend.errors import ApiError

Features = Literal["h", "z"]


def bank_of(session: Session, encoder_id: str, dataset: DatasetRow, features: Features) -> tuple[BankRow, str]:
    """The bank of an encoder for a data set, and the path of its h or z below the data folder.

    Raises:
        ApiError: 404 there is no such encoder; 409 it has not embedded this data set, or has not kept z yet; 422 it has no z.
    """
    encoder = encoder_row(session, encoder_id)
    bank = queries.bank(session, encoder_id, dataset.id)
    if features == "z" and encoder.description.get("projection") is None:
        message = f"{encoder.name} has no projection head, so there is no z of it: choose h."
        raise ApiError(422, "no_projections", message, "features")
    key = queries.bank_key(bank, features) if bank is not None else None
    if bank is None or key is None:
        what = "embeddings" if bank is None else "projections"
        message = f"{encoder.name} has no {what} of {dataset.name} yet: press Embed, then search again."
        raise ApiError(409, "no_embeddings", message)
    return bank, key
