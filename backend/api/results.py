"""Results of transfer jobs, for comparing encoders."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from backend.api.fields import RowId
from backend.api.rows import known_dataset
from backend.catalogue import queries
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


@router.get("/results", response_model=ResultsOut)
def list_results(lab: LabDep, dataset_id: Annotated[RowId | None, Query()] = None) -> Response:
    """Results, newest first, of one data set or of all."""

    def find() -> ResultsOut:
        with lab.catalogue.reading() as session:
            if dataset_id is not None:
                known_dataset(session, dataset_id)
            rows = queries.results(session, dataset_id=dataset_id)
        # Of whose content this model has all but the kind.
        return ResultsOut(items=[ResultOut.model_validate(row["content"] | dict(row)) for row in rows])

    return lab.remembered.answer(("results", dataset_id), find)
