"""Results of transfer jobs, for comparing encoders."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from backend.api.fields import RowId
from backend.api.rows import dataset_row
from backend.catalogue import queries
from backend.catalogue.models import DatasetRow, EncoderRow, ResultRow
from backend.deps import LabDep
from simclr.encoder_file import Origin
from simclr.results import Score

router = APIRouter(tags=["results"])


class ResultOut(BaseModel):
    """``chance`` is the accuracy of guessing the commonest class; ``chosen`` what validation chose."""

    id: str
    job_id: str
    encoder_id: str
    encoder_name: str
    encoder_origin: Origin
    dataset_id: str
    dataset_name: str
    strategy: Literal["knn", "linear_probe", "fine_tune"]
    scores: list[Score]
    chance: float
    chosen: dict[str, float]
    seconds: float
    created_at: float


class ResultsOut(BaseModel):
    items: list[ResultOut]


@router.get("/results")
def list_results(lab: LabDep, dataset_id: Annotated[RowId | None, Query()] = None) -> ResultsOut:
    """Results, newest first, of one data set or of all."""
    with lab.catalogue.reading() as session:
        if dataset_id is not None:
            dataset_row(session, dataset_id)
        rows = queries.results(session, dataset_id=dataset_id)
    return ResultsOut(items=[_result_out(*row) for row in rows])


def _result_out(row: ResultRow, encoder: EncoderRow, dataset: DatasetRow) -> ResultOut:
    about = {
        "id": row.id,
        "job_id": row.job_id,
        "encoder_id": encoder.id,
        "encoder_name": encoder.name,
        "encoder_origin": encoder.origin,
        "dataset_id": dataset.id,
        "dataset_name": dataset.name,
        "created_at": row.created_at,
    }
    return ResultOut.model_validate(row.content | about)  # of whose content this model has all but the kind
