"""Which images a search may find: of a split or class, and none whose pixels are those of the query or of a nearer hit."""

from collections.abc import Callable, Collection
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from backend.catalogue.models import DatasetRow
from backend.errors import ApiError
from simclr.datasets import Dataset, Split
from simclr.datasets.store import SPLITS
from simclr.index import Engine, Found, Mask, Rows

# By how much more is asked for where too many hits were duplicates.
WIDER = 4


class Filters(Protocol):
    """What a search asks for."""

    @property
    def k(self) -> int: ...

    @property
    def or_fewer(self) -> bool: ...

    @property
    def split(self) -> Split | None: ...

    @property
    def label(self) -> int | None: ...


def images_among(
    dataset: Dataset, row: DatasetRow, asked: Filters, left_out: Collection[int] = ()
) -> tuple[Mask | None, int]:
    """Which images may be found, None where all may; and how many are looked for, which without ``or_fewer`` is k.

    Raises:
        ApiError: 422, the set has no such class, or fewer than k may be found, or none; images of the query do not count.
    """
    if asked.label is not None and asked.label >= len(dataset.classes):
        message = f"label is {asked.label} but {row.name} has {len(dataset.classes)} classes, counted from 0."
        raise ApiError(422, "unknown_class", message, "label")
    among: Mask | None = None
    if asked.split is not None:
        among = dataset.splits == SPLITS.index(asked.split)
    if asked.label is not None:
        of_class = dataset.labels == asked.label
        among = of_class if among is None else among & of_class
    available = len(dataset) if among is None else int(np.count_nonzero(among))
    available -= sum(among is None or bool(among[each]) for each in left_out)
    if available == 0:
        message = f"{row.name} has no other image of this split and class: choose another, or all of them."
        raise ApiError(422, "nothing_to_find", message)
    if asked.k > available and not asked.or_fewer:
        message = f"k is {asked.k} but there are only {available} images to find: choose a smaller k."
        raise ApiError(422, "k_too_large", message, "k")
    return among, min(asked.k, available)


def search_images(
    engine: Engine,
    query: Rows,
    k: int,
    exclude: Collection[int],
    among: Mask | None,
    kinds: NDArray[np.int64] | None,
    is_query: Callable[[int], bool] = lambda _index: False,
) -> Found:
    """The ``k`` nearest, with ``kinds`` of different pixels: of equal ones the nearest that may be found, the first in the set.

    Args:
        engine: Who searches.
        query, k, exclude, among: As ``Engine.search`` has them; duplicates of what is excluded are not found either.
        kinds: See ``simclr.datasets.kinds``; None where duplicates may be found.
        is_query: Whether an image has the pixels of a query that is none of the set.
    """
    if kinds is None:
        return engine.search(query, k, exclude, among)
    left_out = np.flatnonzero(np.isin(kinds, kinds[list(exclude)])) if exclude else np.empty(0, np.int64)
    asked = k
    while True:
        found = engine.search(query, asked, left_out.tolist(), among)
        of_kind = kinds[found.indices]
        firsts = np.sort(np.unique(of_kind, return_index=True)[1])
        firsts = np.array([first for first in firsts.tolist() if not is_query(int(found.indices[first]))], np.int64)
        if len(firsts) >= k or len(found.indices) < asked:
            kept = firsts[:k]
            return found._replace(indices=found.indices[kept], scores=found.scores[kept])
        asked *= WIDER
