"""Turns a built-in source or an uploaded archive into a data set of the catalogue, or leaves nothing behind."""

import shutil
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import IntegrityError

from backend.catalogue import queries
from backend.catalogue.engine import now
from backend.catalogue.ids import new_id
from backend.catalogue.models import DatasetRow
from backend.deps import Lab
from backend.errors import ApiError
from simclr.datasets import DatasetInfo, write_dataset
from simclr.datasets.errors import DatasetError


def add_builtin(lab: Lab, source: str) -> tuple[DatasetRow, bool]:
    """A built-in set, drawn if need be, and whether it is new."""
    from simclr.datasets import BUILTIN  # some of the sources import scikit-learn

    return add_dataset(lab, lambda folder: write_dataset(BUILTIN[source](), folder), source.capitalize())


def add_archive(lab: Lab, archive: Path, kind: str, image_size: int | None, name: str) -> tuple[DatasetRow, bool]:
    """The set that an uploaded archive holds, and whether it is new; a limited child reads the strangers' bytes.

    Raises:
        ApiError: 422 with the code of the refusal; 507 the disk is full.
    """
    from simclr.datasets.importer import import_in_child

    return add_dataset(lab, lambda folder: import_in_child(archive, folder, kind, image_size), name)


def add_dataset(lab: Lab, make: Callable[[Path], DatasetInfo], name: str) -> tuple[DatasetRow, bool]:
    """Let ``make`` fill a new folder and enter it into the catalogue; images that are there already are not kept twice.

    Raises:
        ApiError: 422, ``make`` refused the images.
    """
    dataset_id = new_id()
    # Made among the uploads, where a later start cleans up after a crash, and moved when it is whole.
    staged = lab.staging.folder / dataset_id
    key = f"datasets/{dataset_id}"
    is_new = False
    try:
        info = make(staged)
        (lab.folder / key).parent.mkdir(parents=True, exist_ok=True)
        staged.rename(lab.folder / key)
        row, is_new = _enter(lab, _row(dataset_id, name, key, info))
        return row, is_new
    except DatasetError as refusal:
        status = 507 if refusal.code == "disk_full" else 422
        raise ApiError(status, refusal.code, str(refusal)) from None
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        if not is_new:
            shutil.rmtree(lab.folder / key, ignore_errors=True)


def _row(dataset_id: str, name: str, key: str, info: DatasetInfo) -> DatasetRow:
    content = info.model_dump(mode="json")
    return DatasetRow(id=dataset_id, name=name or info.source, key=key, content_hash=info.content_hash, info=content)


def _enter(lab: Lab, row: DatasetRow) -> tuple[DatasetRow, bool]:
    try:
        with lab.catalogue.writing() as session:
            if known := queries.dataset_with_content(session, row.content_hash):
                return known, False
            row.created_at = now(session)
            session.add(row)
    except IntegrityError:  # PostgreSQL: the same images were entered since we looked
        with lab.catalogue.reading() as session:
            if known := queries.dataset_with_content(session, row.content_hash):
                return known, False
        raise
    return row, True
