"""Results of transfer jobs, for comparing encoders."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from backend.api.encoders import Origin
from backend.api.fields import RowId
from backend.deps import LabDep
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
def list_results(lab: LabDep, dataset_id: RowId | None = None) -> ResultsOut:
    """Results, newest first, of one data set or of all."""
    raise NotImplementedError
