"""Which images of a stored set have the same pixels, as is kept beside it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simclr.datasets.duplicates import first_of_kind
from simclr.datasets.store import KINDS, open_dataset
from simclr.runs import DiskFull, writing


def kinds_of(folder: Path) -> NDArray[np.int64]:
    """For every image of the set in ``folder`` the position of the first one with the same pixels: int64, shape (N,).

    Sets of older versions have it not: for them it is found by a pass over all pixels, and kept.

    Raises:
        FileNotFoundError: ``folder`` holds no complete set.
    """
    images = open_dataset(folder).images
    path = folder / KINDS
    try:
        kept: NDArray[np.int64] = np.load(path, allow_pickle=False)
    except (OSError, EOFError, ValueError):  # none yet, or none that can be read
        kept = np.empty(0, np.int64)
    if kept.shape == (len(images),):
        return kept
    found = first_of_kind(images)
    try:
        with writing(path, found.nbytes) as temporary:
            np.save(temporary, found, allow_pickle=False)
    except DiskFull:
        pass  # found again the next time
    return found
