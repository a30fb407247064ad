"""How well neighbours in a bank of embeddings share their class, and which images are everybody's neighbours or nobody's.

Free of torch. Neighbours are exact, by cosine similarity, equally near ones by lower index.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simclr.datasets.store import UNLABELLED
from simclr.intervals import student_interval

Indices = NDArray[np.int64]
Bank = NDArray[np.float32]

KS = (1, 5, 10)
# Similarities that are held at a time: 64 MiB.
BLOCK = 1 << 24


@dataclass(frozen=True)
class Estimate:
    """A mean over queries and its 95 % interval by Student's t; without an interval for a single query."""

    value: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> "Estimate":
        mean = float(values.mean())
        if (interval := student_interval(values.tolist())) is None:
            return cls(mean, None, None)
        # A share cannot leave [0, 1], whatever the interval's formula says.
        return cls(mean, max(0.0, interval[0]), min(1.0, interval[1]))


@dataclass(frozen=True)
class ClassRetrieval:
    """Of the ``n`` queries of the class ``label``: mean precision at the largest k, and mean average precision."""

    label: int
    n: int
    precision: float
    average_precision: float


@dataclass(frozen=True)
class Retrieval:
    """How well ``queries`` images find those of their class among ``gallery`` others.

    Attributes:
        precision: By k: the share of the k nearest that are of the query's class.
        recall: By k: how often at least one of the k nearest is, as metric learning counts it.
        mean_average_precision: Of the whole gallery in the order of similarity.
        chance: Precision of neighbours drawn at random.
        per_class: In the order of labels.

    Source: precision, average precision: Manning et al. 2008, Introduction to Information Retrieval, 8.4;
    recall: Jégou et al. 2011, IEEE TPAMI 33, 117-128.
    """

    queries: int
    gallery: int
    precision: dict[int, Estimate]
    recall: dict[int, Estimate]
    mean_average_precision: Estimate
    chance: float
    per_class: list[ClassRetrieval]


def retrieval(
    bank: Bank, labels: NDArray[np.int64], queries: Indices, gallery: Indices, ks: Sequence[int] = KS
) -> Retrieval:
    """Let each query find its neighbours in the gallery, itself left out, and look at their labels.

    Queries whose class no other image of the gallery has find nothing by nobody's fault, and are left out.

    Args:
        bank: float32, shape (N, D), rows of unit length; may be a memory map.
        labels: int64, shape (N,).
        queries: Positions of labelled images, each once.
        gallery: Positions of labelled images, each once, ascending; may share some with ``queries``.
        ks: How many neighbours are looked at.

    Raises:
        ValueError: an image is unlabelled, the gallery has no more images than the largest k, or no query can find any.
    """
    if (labels[queries] == UNLABELLED).any() or (labels[gallery] == UNLABELLED).any():
        raise ValueError("retrieval is judged by labels: leave out the images that have none")
    if len(gallery) <= max(ks):
        raise ValueError(f"{len(gallery)} images can be found, but the largest k is {max(ks)}: choose a smaller k")
    found_itself = np.isin(queries, gallery)
    others = np.bincount(labels[gallery], minlength=labels.max() + 1)[labels[queries]] - found_itself
    chances = others / (len(gallery) - found_itself)
    queries, chances = queries[others > 0], chances[others > 0]
    if len(queries) == 0:
        raise ValueError("no query has another image of its class to find: give more images of every class")
    hits = {k: np.empty(len(queries)) for k in ks}
    average_precision = np.empty(len(queries))
    rows_of_gallery = bank[gallery]
    for rows in _blocks(len(queries), len(gallery)):
        similarity = _similarity(bank, queries[rows], rows_of_gallery, gallery)
        # A query itself comes last, and as not of its class.
        same = (labels[gallery] == labels[queries[rows]][:, None]) & (gallery != queries[rows][:, None])
        relevant = np.take_along_axis(same, np.argsort(-similarity, axis=1, kind="stable"), axis=1)
        for k in ks:
            hits[k][rows] = relevant[:, :k].sum(axis=1)
        average_precision[rows] = _average_precision(relevant)
    largest = max(ks)
    by_class = [(int(label), labels[queries] == label) for label in np.unique(labels[queries])]
    return Retrieval(
        queries=len(queries),
        gallery=len(gallery),
        precision={k: Estimate.of(hits[k] / k) for k in ks},
        recall={k: Estimate.of((hits[k] > 0).astype(np.float64)) for k in ks},
        mean_average_precision=Estimate.of(average_precision),
        chance=float(chances.mean()),
        per_class=[
            ClassRetrieval(
                label,
                int(mine.sum()),
                float(hits[largest][mine].mean() / largest),
                float(average_precision[mine].mean()),
            )
            for label, mine in by_class
        ],
    )


@dataclass(frozen=True)
class Hubs:
    """How often each image is among the ``k`` nearest of the others.

    Attributes:
        occurrences: int64, shape (N,); their mean is ``k``.
        skewness: Of the occurrences: 0 where all images are found alike, large where a few hubs are found by many.

    Source: Radovanović et al. 2010, JMLR 11, 2487-2531.
    """

    k: int
    occurrences: Indices
    skewness: float

    @property
    def hubs(self) -> Indices:
        """All images, the most often found first, of equals the lower index."""
        return np.argsort(-self.occurrences, kind="stable")

    @property
    def orphans(self) -> Indices:
        """Images that are nobody's neighbour, by index."""
        return np.flatnonzero(self.occurrences == 0)


def find_hubs(bank: Bank, k: int = 10) -> Hubs:
    """Count whose neighbour each image of ``bank``, float32 (N, D) with rows of unit length, is.

    Raises:
        ValueError: ``k`` is below 1, or there are not more than ``k`` images.
    """
    if not 1 <= k < len(bank):
        raise ValueError(f"k is {k}, but must be at least 1 and below the number of images, {len(bank)}")
    everybody = np.arange(len(bank))
    occurrences = np.zeros(len(bank), np.int64)
    for rows in _blocks(len(bank), len(bank)):
        similarity = _similarity(bank, everybody[rows], bank, everybody)
        nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        occurrences += np.bincount(nearest.ravel(), minlength=len(bank))
    spread = float(occurrences.std())
    skewness = float(((occurrences - k) ** 3).mean() / spread**3) if spread > 0 else 0.0
    return Hubs(k, occurrences, skewness)


def _similarity(bank: Bank, queries: Indices, rows_of_gallery: Bank, gallery: Indices) -> NDArray[np.float32]:
    """Cosine similarities, (queries, gallery); of an image with itself minus infinity."""
    similarity = bank[queries] @ rows_of_gallery.T
    similarity[gallery == queries[:, None]] = -np.inf
    return similarity


def _average_precision(relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each row the mean, over its relevant ones, of the precision where they stand."""
    found = relevant.cumsum(axis=1)
    precision = found / np.arange(1, relevant.shape[1] + 1)
    averages: NDArray[np.float64] = (precision * relevant).sum(axis=1) / found[:, -1]
    return averages


def _blocks(rows: int, columns: int) -> list[slice]:
    step = max(1, BLOCK // columns)
    return [slice(start, start + step) for start in range(0, rows, step)]
