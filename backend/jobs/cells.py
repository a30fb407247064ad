"""What a transfer computes, by content: the same encoder file, images and choices make the same cell, whoever asks for it."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.catalogue.engine import Catalogue
from backend.catalogue.models import DatasetRow, EncoderRow, JobRow, ResultRow
from backend.catalogue.queries import in_parts
from backend.jobs.states import Desired, Kind, State
from simclr.config import FineTuneConfig, KnnConfig, LinearProbeConfig, transfer_config

# What plays no part with a solver of a linear probe.
IDLE = {"lbfgs": ("epochs", "learning_rate", "momentum", "batch_size", "seed"), "sgd": ("max_iterations",)}
Strategy = KnnConfig | LinearProbeConfig | FineTuneConfig


def canonical(config: Strategy) -> Strategy:
    """The same work with every choice that plays no part in it at its default."""
    changes: dict[str, Any] = {}
    labels = config.labels
    if labels.fraction == 1.0:
        labels = labels.model_copy(update={"fraction": None})
    if labels.fraction is None and labels.shots is None:
        labels = labels.model_copy(update={"seed": 0})
    changes["labels"] = labels
    if isinstance(config, LinearProbeConfig):
        changes |= {name: LinearProbeConfig.model_fields[name].default for name in IDLE[config.solver]}
    return config.model_copy(update=changes)


def cell_of(encoder: EncoderRow, dataset: DatasetRow, config: Strategy) -> str:
    """The name of the cell: a digest of the encoder's file, the set's content and the choices that matter.

    Of a training from scratch the encoder's weights do not matter.
    """
    is_scratch = isinstance(config, FineTuneConfig) and config.start == "scratch"
    start = network_of(encoder) if is_scratch else encoder.sha256
    content = [start, dataset.content_hash, canonical(config).model_dump(mode="json")]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def network_of(encoder: EncoderRow) -> str:
    """What an encoder is without its weights: the architecture, and what it expects of images."""
    parts = ("architecture", "channels", "image_size", "mean", "std")
    return json.dumps([encoder.description.get(part) for part in parts], sort_keys=True)


def cell_of_job(session: Session, encoder_id: str | None, dataset_id: str | None, config: dict[str, Any]) -> str | None:
    """The same for a transfer as its row has it; None where there is no such encoder, set or choice any more."""
    encoder = session.get(EncoderRow, encoder_id) if encoder_id else None
    dataset = session.get(DatasetRow, dataset_id) if dataset_id else None
    if encoder is None or dataset is None:
        return None
    try:
        return cell_of(encoder, dataset, transfer_config.validate_python(config))
    except ValidationError:
        return None


def name_cells(catalogue: Catalogue) -> None:
    """Name the cells of transfers from before there were any, so that nobody computes them again."""
    unnamed = select(JobRow).where(JobRow.kind == Kind.TRANSFER, JobRow.cell.is_(None))
    with catalogue.reading() as session:
        if session.scalar(unnamed.with_only_columns(JobRow.id).limit(1)) is None:
            return
    with catalogue.writing() as session:
        for job in session.scalars(unnamed).all():
            job.cell = cell_of_job(session, job.encoder_id, job.dataset_id, job.config)


@dataclass(frozen=True)
class Standing:
    """The job that a cell's answer comes from, or would come from, and its result where there is one."""

    job: JobRow
    result_id: str | None

    @property
    def is_computed(self) -> bool:
        return self.result_id is not None

    @property
    def is_under_way(self) -> bool:
        """Whether it waits, runs or is paused, and nobody wants it ended."""
        return not State(self.job.state).is_terminal and self.job.desired != Desired.CANCEL

    @property
    def rank(self) -> tuple[bool, bool, bool, str]:
        """Higher is better: what is computed, then what will be, then the latest."""
        runs = self.is_under_way and self.job.desired == Desired.RUN
        return self.is_computed, runs, self.is_under_way, self.job.id


def standings(session: Session, cells: Collection[str]) -> dict[str, Standing]:
    """How each cell stands; cells that no job has computed or computes are absent."""
    found: dict[str, Standing] = {}
    for some in in_parts(sorted(set(cells))):
        rows = session.execute(
            select(JobRow, ResultRow.id)
            .outerjoin(ResultRow, ResultRow.job_id == JobRow.id)
            .where(JobRow.cell.in_(some))
        )
        for job, result_id in rows:
            new, known = Standing(job, result_id), found.get(str(job.cell))
            if known is None or known.rank < new.rank:
                found[str(job.cell)] = new
    return found
