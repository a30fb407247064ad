"""Turns a built-in source into a data set of the catalogue, or leaves nothing behind; and removes what a crash has left."""

import shutil
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from backend.catalogue.engine import Catalogue
from backend.catalogue.ids import new_id
from backend.catalogue.models import DatasetRow
from backend.deps import Lab
from backend.errors import ApiError
from backend.jobs.imports import awaited_uploads, remove_leftovers
from backend.jobs.made import enter_dataset
from backend.jobs.outcomes import Artefact
from backend.jobs.saved import finish_deletions_of_results
from backend.staging import Staging
from simclr.datasets import DatasetInfo, write_dataset
from simclr.datasets.errors import DatasetError

DATASETS = "datasets"
# Says of a folder of its name that it may not have a row yet.
ENTERING = ".entering"


def add_builtin(lab: Lab, source: str) -> tuple[DatasetRow, bool]:
    """A built-in set, drawn if need be, and whether it is new."""
    from simclr.datasets import BUILTIN  # some of the sources import scikit-learn

    return add_dataset(lab, lambda folder: write_dataset(BUILTIN[source](), folder), source.capitalize())


def add_dataset(lab: Lab, make: Callable[[Path], DatasetInfo], name: str) -> tuple[DatasetRow, bool]:
    """Let ``make`` fill a new folder and enter it into the catalogue; images that are there already are not kept twice.

    Raises:
        ApiError: 422, ``make`` refused the images; 507, the disk is full.
    """
    dataset_id, is_new = new_id(), False
    # Made in staging, where a later start cleans up after a crash, and moved when it is whole.
    staged, entering = lab.staging.folder / dataset_id, lab.staging.folder / f"{dataset_id}{ENTERING}"
    place = lab.folder / DATASETS / dataset_id
    try:
        info = make(staged)
        place.parent.mkdir(parents=True, exist_ok=True)
        entering.touch()
        staged.rename(place)
        made = Artefact(f"{DATASETS}/{dataset_id}", info.content_hash, info.model_dump(mode="json"))
        with lab.catalogue.writing() as session:
            row, is_new = enter_dataset(session, name or info.source, made, dataset_id)
        return row, is_new
    except DatasetError as refusal:
        status = 507 if refusal.code == "disk_full" else 422
        raise ApiError(status, refusal.code, str(refusal)) from None
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        if not is_new:
            shutil.rmtree(place, ignore_errors=True)
        entering.unlink(missing_ok=True)


def tidy(catalogue: Catalogue, data_folder: Path, staging: Staging) -> None:
    """At the start of the only process that receives: remove what the one before was about when it died.

    A folder of a data set goes only where a note says that it was being entered: a catalogue that is not the one of this data
    folder must not cost anybody images.
    """
    with catalogue.reading() as session:
        for note in staging.folder.glob(f"*{ENTERING}"):
            key = f"{DATASETS}/{note.stem}"
            if session.scalar(select(DatasetRow.id).where(DatasetRow.key == key)) is None:
                shutil.rmtree(data_folder / key, ignore_errors=True)
        staging.clean(awaited_uploads(session, data_folder))
        remove_leftovers(session, data_folder)
        finish_deletions_of_results(session, data_folder)
