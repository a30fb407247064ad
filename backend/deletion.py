"""Deletes a data set: a note first, then the rows, the files last, so that after a crash the next start can tell what was meant.

What people have worked for stays: a set with which encoders, embeddings or results were made keeps its row, without a key, and
loses its images only. Should the same images be imported again, that row gets them, and all that refers to it is whole.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from backend.catalogue.engine import Catalogue
from backend.catalogue.models import BankRow, DatasetRow, DryRunRow, EncoderRow, JobRow, ResultRow
from backend.jobs.features import forget_features
from backend.jobs.imports import variants_in_the_making
from backend.jobs.states import Kind, State

NOTES = "deleting"
NAMED = 3


@dataclass(frozen=True)
class Uses:
    """What refers to a data set: jobs that have not ended, the encoders it gave, and how many of everything else."""

    unfinished: Sequence[JobRow]
    encoders: Sequence[EncoderRow]
    embeddings: int
    results: int
    jobs: int

    @property
    def is_worked_with(self) -> bool:
        """Whether something was made, or tried, with the images."""
        return bool(self.encoders or self.embeddings or self.results or self.jobs)

    def refusal(self, name: str) -> str:
        """Why the set ``name`` cannot be deleted now: a sentence that names the jobs, and what to do."""
        n = len(self.unfinished)
        told = ", ".join(f"{job.name} ({job.state})" for job in self.unfinished[:NAMED])
        more = f" and {n - NAMED} more" if n > NAMED else ""
        them = "them" if n > 1 else "it"
        return (
            f"{name} is in use: {n} {'jobs have' if n > 1 else 'job has'} not ended, {told}{more}. "
            f"Wait for {them} or cancel {them}, then delete the set."
        )


def uses_of(session: Session, dataset_id: str) -> Uses:
    """All that a deletion has to think of."""
    ended = [state for state in State if state.is_terminal]
    # An import did not work with the images: it made them.
    worked = (JobRow.dataset_id == dataset_id, JobRow.kind != Kind.IMPORT)
    needed_by = or_(and_(*worked), variants_in_the_making(dataset_id))
    unfinished = select(JobRow).where(needed_by, JobRow.state.not_in(ended))
    encoders = select(EncoderRow).where(EncoderRow.dataset_id == dataset_id)
    jobs = select(func.count()).where(*worked, JobRow.state.in_(ended))
    return Uses(
        unfinished=session.scalars(unfinished.order_by(JobRow.id)).all(),
        encoders=session.scalars(encoders.order_by(EncoderRow.id)).all(),
        embeddings=session.scalar(select(func.count()).where(BankRow.dataset_id == dataset_id)) or 0,
        results=session.scalar(select(func.count()).where(ResultRow.dataset_id == dataset_id)) or 0,
        jobs=session.scalar(jobs) or 0,
    )


def delete_rows(session: Session, row: DatasetRow, uses: Uses, folder: Path) -> None:
    """Delete the row, or where it is referred to its key; a note below the data folder ``folder`` says so before the commit."""
    _write_note(folder, row.key)
    session.execute(delete(DryRunRow).where(DryRunRow.dataset_id == row.id))
    if uses.is_worked_with:
        row.key = ""
        return
    session.execute(update(JobRow).where(JobRow.dataset_id == row.id).values(dataset_id=None))  # of imports
    session.delete(row)


def delete_files(folder: Path, key: str) -> None:
    """Delete the images that were at ``key``, and the note."""
    place = (folder / key).resolve()
    if place == folder.resolve() or not place.is_relative_to(folder.resolve()):
        return
    forget_features(folder, place)
    shutil.rmtree(place, ignore_errors=True)
    _note(folder, key).unlink(missing_ok=True)


def finish_deletions(catalogue: Catalogue, folder: Path) -> None:
    """At the start: delete the files of sets whose rows are gone, and notes of deletions that did not come to pass."""
    for note in (folder / NOTES).glob("*"):
        key = note.read_text(encoding="utf-8")
        with catalogue.reading() as session:
            is_kept = session.scalar(select(DatasetRow.id).where(DatasetRow.key == key)) is not None
        # A note that a power cut left empty was never followed by a commit.
        if key and not is_kept:
            delete_files(folder, key)
        note.unlink(missing_ok=True)


def _note(folder: Path, key: str) -> Path:
    return folder / NOTES / key.replace("/", "-")


def _write_note(folder: Path, key: str) -> None:
    """On the disk before the rows are gone."""
    note = _note(folder, key)
    note.parent.mkdir(exist_ok=True)
    with note.open("w", encoding="utf-8") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    notes = os.open(note.parent, os.O_RDONLY)
    try:
        os.fsync(notes)
    finally:
        os.close(notes)
