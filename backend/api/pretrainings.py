"""What only a pretraining has: checkpoints that encoders can be made of, and a verdict on whether it learns."""

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy.orm import Session

from backend.api.fields import RowId
from backend.api.rows import job_row
from backend.catalogue import queries
from backend.catalogue.models import JobRow
from backend.deps import LabDep
from backend.errors import ApiError
from backend.jobs.states import Kind
from simclr.config import PretrainConfig
from simclr.events import Evaluation, Progress
from simclr.results import Verdict
from simclr.verdict import verdict

router = APIRouter(tags=["jobs"])


class CheckpointOut(BaseModel):
    """A kept state of a training, after ``step`` steps and ``epoch`` passes; ``encoder_id`` where an encoder was made of it."""

    step: int
    epoch: int
    knn_accuracy: float | None
    encoder_id: str | None


class CheckpointsOut(BaseModel):
    items: list[CheckpointOut]


@router.get("/jobs/{job_id}/checkpoints")
def list_checkpoints(job_id: RowId, lab: LabDep) -> CheckpointsOut:
    """Kept checkpoints of a pretraining, the newest first."""
    with lab.catalogue.reading() as session:
        job = _pretraining(session, job_id)
        made = queries.encoders_of_run(session, job.id)
        kept = queries.checkpoints(session, job.id)
    return CheckpointsOut(
        items=[
            CheckpointOut(step=row.step, epoch=row.passes, knn_accuracy=row.knn_accuracy, encoder_id=made.get(row.step))
            for row in kept
        ]
    )


@router.get("/jobs/{job_id}/verdict")
def read_verdict(job_id: RowId, lab: LabDep) -> Verdict:
    """Whether a pretraining learns, by stated rules over what was measured on the way; also while it runs."""
    with lab.catalogue.reading() as session:
        job = _pretraining(session, job_id)
        looks = [Evaluation.model_validate(data) for data in queries.told(session, job.id, "evaluation")]
    progress = [Progress.model_validate(job.progress)] if job.progress else []
    return verdict(looks, progress, PretrainConfig.model_validate(job.config))


def _pretraining(session: Session, job_id: str) -> JobRow:
    job = job_row(session, job_id)
    if job.kind != Kind.PRETRAIN:
        raise ApiError(422, "no_pretraining", f"{job.name} is no pretraining, so there is nothing to say of it.")
    return job
