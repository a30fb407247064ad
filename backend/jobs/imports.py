"""Imports as jobs: what is asked for, where what was sent waits until the job has ended, and what nobody needs any more."""

import contextlib
import shutil
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from backend.catalogue.models import DatasetRow, JobRow
from backend.jobs.saved import jobs_key
from backend.jobs.states import Desired, Kind, State
from simclr.config import ImportConfig
from simclr.datasets.variants import Variant

STAGING, UPLOADED = "staging", ".upload"
DOWNLOADS = "downloads"
# The set that an import made, in the folder of its attempt.
MADE = "set"


class ImportOrder(ImportConfig):
    """An import as its job's config has it.

    Attributes:
        origin: Where the images come from.
        source: Of an upload its format, "zip", "tar" or "npz"; the name of a folder below the configured root; a published
            or built-in set's name; or the id of the set of which a ``variant`` is made.
        count, seed: How many images of a built-in set are drawn, None for as many as it has, and which.
        variant: What is other in a variant.
        variant_of: What the set of which it is made was called when it was asked for.
    """

    origin: Literal["upload", "folder", "published", "builtin", "set"]
    source: str
    count: int | None = None
    seed: int = 0
    variant: Variant | None = None
    variant_of: str = ""

    def kept(self) -> dict[str, Any]:
        """A dump of what bears on it."""
        drawn, varied = {"count", "seed"}, {"variant", "variant_of"}
        read = set(ImportConfig.model_fields)
        idle = {"set": read | drawn, "builtin": read | varied}.get(self.origin, drawn | varied)
        return self.model_dump(mode="json", exclude=idle)


def parent_of(job: JobRow) -> str | None:
    """The id of the set of which an import makes a variant."""
    is_variant = job.kind == Kind.IMPORT and job.config.get("origin") == "set"
    return str(job.config["source"]) if is_variant else None


def import_that_stands(session: Session, asked: ImportOrder) -> JobRow | None:
    """The newest import of the very same order that goes on, or whose set is there; None where there is none."""
    origin, source = (JobRow.config[name].as_string() for name in ("origin", "source"))
    same = (JobRow.kind == Kind.IMPORT, origin == asked.origin, source == asked.source)
    rows = session.execute(
        select(JobRow, DatasetRow.key)
        .outerjoin(DatasetRow, DatasetRow.id == JobRow.dataset_id)
        .where(*same)
        .order_by(JobRow.id.desc())
    )
    for job, key in rows:
        is_there = bool(key) if State(job.state).is_terminal else job.desired == Desired.RUN
        if is_there and job.config == asked.kept():
            return job
    return None


def variants_in_the_making(dataset_id: str) -> ColumnElement[bool]:
    """Imports that make a variant of a set, whatever their state."""
    origin, source = (JobRow.config[name].as_string() for name in ("origin", "source"))
    return and_(JobRow.kind == Kind.IMPORT, origin == "set", source == dataset_id)


def upload_path(data_folder: Path, job_id: str) -> Path:
    """Where the file waits that was sent for an import."""
    return data_folder / STAGING / f"{job_id}{UPLOADED}"


def awaited_uploads(session: Session, data_folder: Path) -> set[Path]:
    """Files that imports which have not ended still need."""
    ended = [state for state in State if state.is_terminal]
    open_jobs = select(JobRow.id).where(JobRow.kind == Kind.IMPORT, JobRow.state.not_in(ended))
    return {upload_path(data_folder, job_id) for job_id in session.scalars(open_jobs)}


def remove_leftovers(session: Session, data_folder: Path) -> None:
    """Remove what imports have left and no attempt needs: files sent for those that have ended, and folders of attempts in vain.

    Another process may be about it as well.
    """
    sets = set(session.scalars(select(DatasetRow.key)))
    imports = session.execute(select(JobRow.id, JobRow.epoch, JobRow.state).where(JobRow.kind == Kind.IMPORT))
    for job_id, epoch, state in imports:
        folder = data_folder / jobs_key(job_id)
        for attempt in folder.glob("*"):
            key = f"{jobs_key(job_id)}/{attempt.name}/{MADE}"
            if key not in sets and _is_in_vain(attempt, epoch, State(state)):
                remove(attempt)
        if State(state).is_terminal:
            upload_path(data_folder, job_id).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # the set is in it, or there is none
                folder.rmdir()


def _is_in_vain(attempt: Path, epoch: int, state: State) -> bool:
    """Whether a folder is of an attempt before the last, or of the last of a job that doesn't run."""
    if not attempt.name.isdecimal():
        return False
    # A later one belongs to a worker that has claimed the job since we looked.
    return int(attempt.name) < epoch or (int(attempt.name) == epoch and state is not State.RUNNING)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
