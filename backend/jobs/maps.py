"""Maps as jobs: what names one, and the banks that it is made of."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.catalogue import queries
from backend.catalogue.engine import now
from backend.catalogue.models import DatasetRow, EncoderRow, JobRow, MapRow
from backend.jobs.map_order import MapOrder
from backend.jobs.states import State
from simclr.map_config import MapConfig
from simclr.results import MapResult

MAPS = "maps"
# What plays no part in a PCA.
OF_UMAP = ("neighbours", "min_dist", "epochs", "pull", "seed")


def content_of(encoders: Sequence[EncoderRow], dataset: DatasetRow, config: MapConfig) -> str:
    """The name of a map: a digest of the encoders' files, the set's content and the choices that matter."""
    idle = set(OF_UMAP) if config.method == "pca" else {"pull"} if len(encoders) == 1 else set()
    choices = config.model_dump(mode="json", exclude=idle)
    content = [[encoder.sha256 for encoder in encoders], dataset.content_hash, choices]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def content_of_job(session: Session, dataset_id: str | None, config: dict[str, Any]) -> str | None:
    """The same of a job as its row has it; None where its set or an encoder is not there any more."""
    order = MapOrder.model_validate(config)
    dataset = session.get(DatasetRow, dataset_id) if dataset_id else None
    encoders = [session.get(EncoderRow, encoder_id) for encoder_id in order.encoder_ids]
    found = [encoder for encoder in encoders if encoder is not None]
    if dataset is None or len(found) < len(encoders):
        return None
    return content_of(found, dataset, order.choices)


def bank_keys(session: Session, job: JobRow) -> tuple[str, ...]:
    """Paths below the data folder of what a map's job maps; one that is missing is named as it was asked for."""
    order = MapOrder.model_validate(job.config)
    keys = (bank_key(session, encoder_id, job.dataset_id or "", order.features) for encoder_id in order.encoder_ids)
    return tuple(
        key or f"embeddings of encoder {encoder_id}" for key, encoder_id in zip(keys, order.encoder_ids, strict=True)
    )


def bank_key(session: Session, encoder_id: str, dataset_id: str, features: Literal["h", "z"]) -> str | None:
    """Where features of a set under an encoder are; None where they were not made."""
    bank = queries.bank(session, encoder_id, dataset_id)
    return queries.bank_key(bank, features) if bank is not None else None


def enter_map(
    session: Session, *, content: str, order: MapOrder, dataset_id: str, key: str, result: MapResult, job_id: str | None
) -> MapRow:
    """The row of a map; one of the same content gives way, as its file may be damaged."""
    session.execute(delete(MapRow).where(MapRow.content == content))
    row = MapRow(
        encoder_ids=order.encoder_ids,
        dataset_id=dataset_id,
        job_id=job_id,
        content=content,
        config=order.choices.model_dump(mode="json"),
        key=key,
        result=result.model_dump(mode="json"),
        created_at=now(session),
    )
    session.add(row)
    return row


def map_with_content(session: Session, content: str) -> MapRow | None:
    """The map of this name, where it was made."""
    return session.scalar(select(MapRow).where(MapRow.content == content))


def job_making(session: Session, content: str) -> JobRow | None:
    """The job that has not ended and will make the map of this name."""
    ended = [state for state in State if state.is_terminal]
    wanted = (JobRow.kind == "map", JobRow.cell == content, JobRow.state.not_in(ended))
    return session.scalar(select(JobRow).where(*wanted).order_by(JobRow.id).limit(1))
