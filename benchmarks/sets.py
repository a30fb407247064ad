"""A set put into the catalogue by the function that settles imports, for labs that need one and no worker."""

import shutil
from pathlib import Path

from backend.catalogue.engine import Catalogue
from backend.catalogue.ids import new_id
from backend.jobs.made import enter_dataset
from backend.jobs.outcomes import Artefact
from simclr.datasets import Dataset, write_dataset


def put_set(catalogue: Catalogue, data_folder: Path, dataset: Dataset, name: str) -> str:
    """The id of the set; images that are there already are not kept twice."""
    key = f"datasets/{new_id()}"
    info = write_dataset(dataset, data_folder / key)
    made = Artefact(key, info.content_hash, info.model_dump(mode="json"))
    with catalogue.writing() as session:
        row, is_new = enter_dataset(session, name, made)
    if not is_new:
        shutil.rmtree(data_folder / key)
    return row.id
