"""The smallest image set on which everything works, for labs that are put under load or done harm to."""

from pathlib import Path

import numpy as np

from backend.catalogue.engine import Catalogue, now
from backend.catalogue.models import DatasetRow
from simclr.datasets.store import Dataset, write_dataset


def squares_and_crosses(scale: int = 1) -> Dataset:
    """96 grey images of two kinds, 16 × ``scale`` pixels wide, learnable by anything."""
    rng = np.random.default_rng(0)
    labels = np.arange(96) % 2
    images = rng.integers(0, 60, (96, 1, 16, 16), dtype=np.uint8)
    images[labels == 0, :, 4:12, 4:12] += 150
    images[labels == 1, :, 7:9, :] += 150
    splits = np.repeat([0, 1, 2], [64, 16, 16]).astype(np.uint8)
    images = images.repeat(scale, axis=2).repeat(scale, axis=3)
    return Dataset(images, labels.astype(np.int64), splits, ("square", "cross"), "squares and crosses")


def add_squares(catalogue: Catalogue, data: Path, scale: int = 1) -> str:
    """Write the set below the data folder and enter it; its id."""
    name = f"squares of {16 * scale}"
    info = write_dataset(squares_and_crosses(scale), data / "datasets" / name)
    content = info.model_dump(mode="json")
    with catalogue.writing() as session:
        row = DatasetRow(
            name=name, key=f"datasets/{name}", content_hash=info.content_hash, info=content, created_at=now(session)
        )
        session.add(row)
    return row.id
