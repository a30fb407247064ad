"""What a job made becomes rows: an encoder, a bank of embeddings, a result, a data set."""

import json
from typing import Any

from pydantic import BaseModel
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.catalogue import queries
from backend.catalogue.engine import now
from backend.catalogue.ids import new_id
from backend.catalogue.models import BankRow, DatasetRow, EncoderRow, JobRow, ResultRow
from backend.jobs.map_order import MapOrder
from backend.jobs.maps import content_of_job, enter_map
from backend.jobs.outcomes import Artefact
from simclr.results import EmbedResult, ImportResult, JobResult, MapResult, PretrainResult, TransferResult

DONE = "The job is done."
# What a list of thousands of results tells of each; the rest is for a result's own page.
SUMMARY = ("strategy", "scores", "chance", "chosen", "seconds", "labels_used", "images_seen")


def record(session: Session, job: JobRow, result: JobResult, artefact: Artefact | None) -> str:
    """Enter what the job made; a sentence that says so."""
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
                    step=result.steps,
                    epoch=result.epochs,
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
                    projection_dim=result.projection_dim,
                )
            )
        case TransferResult():
            content = dump(result)
            session.add(
                ResultRow(
                    **about,
                    encoder_id=job.encoder_id,
                    strategy=result.strategy,
                    content=content,
                    summary={name: content[name] for name in SUMMARY},
                    predictions=artefact.key if artefact else None,
                )
            )
        case MapResult():
            name = content_of_job(session, job.dataset_id, job.config)
            if name is None or job.dataset_id is None:
                return "The map is done, but an encoder or the set was deleted meanwhile, so it is not kept."
            enter_map(
                session,
                content=name,
                order=MapOrder.model_validate(job.config),
                dataset_id=job.dataset_id,
                key=_needed(artefact, job).key,
                result=result,
                job_id=job.id,
            )
        case ImportResult():
            dataset, is_new = enter_dataset(session, job.name, _needed(artefact, job))
            job.dataset_id = dataset.id
            if not is_new:
                return f"The same images are here already, as {dataset.name}."
    return DONE


def enter_dataset(session: Session, name: str, made: Artefact) -> tuple[DatasetRow, bool]:
    """The row of a set, and whether it is new: the same images are not entered twice, but come back where they were deleted."""
    if known := queries.dataset_with_content(session, made.sha256):
        if known.key:
            return known, False
        known.key, known.info = made.key, made.description
        return known, True
    row = DatasetRow(
        id=new_id(),
        name=name,
        key=made.key,
        content_hash=made.sha256,
        info=made.description,
        created_at=now(session),
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        # On PostgreSQL somebody else may have entered the same images since we looked.
        if known := queries.dataset_with_content(session, made.sha256):
            return known, False
        raise
    return row, True


def _needed(artefact: Artefact | None, job: JobRow) -> Artefact:
    if artefact is None:
        raise ValueError(f"job {job.id} ({job.kind}) succeeded without naming the file that it made")
    return artefact


def dump(model: BaseModel) -> dict[str, Any]:
    """As JSON has it."""
    # Through text, because only there NaN becomes null.
    dumped: dict[str, Any] = json.loads(model.model_dump_json())
    return dumped
