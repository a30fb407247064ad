"""What a job made becomes rows: an encoder, a bank of embeddings, a result."""

import json
from typing import Any

from pydantic import BaseModel
from sqlalchemy import delete
from sqlalchemy.orm import Session

from backend.catalogue.engine import now
from backend.catalogue.models import BankRow, EncoderRow, JobRow, ResultRow
from backend.jobs.outcomes import Artefact
from simclr.results import EmbedResult, PretrainResult, TransferResult


def record(
    session: Session, job: JobRow, result: PretrainResult | TransferResult | EmbedResult, artefact: Artefact | None
) -> None:
    """Enter what the job made."""
    about = {"job_id": job.id, "dataset_id": job.dataset_id, "created_at": now(session)}
    match result:
        case PretrainResult():
            made = _needed(artefact, job)
            session.add(
                EncoderRow(
                    **about,
                    name=job.name,
                    origin="pretrained",
                    key=made.key,
                    sha256=made.sha256,
                    description=made.description,
                )
            )
        case EmbedResult():
            same = (BankRow.encoder_id == job.encoder_id, BankRow.dataset_id == job.dataset_id)
            session.execute(delete(BankRow).where(*same))
            session.add(
                BankRow(
                    **about,
                    encoder_id=job.encoder_id,
                    key=_needed(artefact, job).key,
                    feature_dim=result.feature_dim,
                )
            )
        case TransferResult():
            session.add(ResultRow(**about, encoder_id=job.encoder_id, strategy=result.strategy, content=dump(result)))


def _needed(artefact: Artefact | None, job: JobRow) -> Artefact:
    if artefact is None:
        raise ValueError(f"job {job.id} ({job.kind}) succeeded without naming the file that it made")
    return artefact


def dump(model: BaseModel) -> dict[str, Any]:
    """As JSON has it."""
    # Through text, because only there NaN becomes null.
    dumped: dict[str, Any] = json.loads(model.model_dump_json())
    return dumped
