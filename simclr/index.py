"""Nearest neighbours over a bank of embeddings: what every engine promises, and the exact one, with NumPy alone."""

import copy
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Metric = Literal["cosine", "euclidean"]
Rows = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Norms of float32 rows are 1 to about 1e-7 times the square root of the dimension.
NORM_TOLERANCE = 1e-3
ROUNDING = float(np.finfo(np.float32).eps) / 2
# Where fewer than this share may be found, their rows are gathered: the whole bank would take longer to read.
FEW = 1 / 16
ROWS_AT_ONCE = 1 << 16


class Found(NamedTuple):
    """What a search found, the nearest first, equally near ones by lower index.

    Attributes:
        indices: int64, shape (n,), n at most the k that was asked for.
        scores: float64, same shape: cosine similarity in [-1, 1], or Euclidean distance, by the engine's metric.
        engine: Who found them, such as "exact": an engine may leave a question to another one.
        note: Why it was left to another one; empty where it was not.
    """

    indices: NDArray[np.int64]
    scores: NDArray[np.float64]
    engine: str
    note: str = ""


class Engine(Protocol):
    """Finds the rows of one bank that are nearest to a query, by one metric."""

    @property
    def name(self) -> str: ...

    @property
    def metric(self) -> Metric: ...

    def search(
        self, query: Rows, k: int, exclude: Collection[int] | None = None, among: Mask | None = None
    ) -> Found: ...


def norms_beside(bank: Path) -> Path:
    """Where the lengths that a bank's rows had before they were made 1 are kept: float32, shape (N,)."""
    return bank.with_suffix(".norms.npy")


class Index:
    """Exact search over N embeddings; one matrix-vector product a query.

    By cosine similarity, or by Euclidean distance of the features as the encoder gave them: a bank's rows times their norms.
    """

    name = "exact"

    def __init__(self, features: Rows, norms: Rows | None = None, metric: Metric = "cosine") -> None:
        """Keep ``features``, float32 of shape (N, D), rows of unit length; may be a memory map.

        Args:
            features: The bank.
            norms: Lengths that its rows had, float32, shape (N,); only Euclidean distances need them.
            metric: What is near.

        Raises:
            ValueError: another dtype or shape, no rows, rows of another length; or norms that do not fit, or are missing.
        """
        if features.ndim != 2 or features.dtype != np.float32 or len(features) == 0:
            raise ValueError(
                f"features must be float32 of shape (N, D), N > 0, not {features.dtype} of {features.shape}"
            )
        lengths = np.sqrt(np.einsum("nd,nd->n", features, features))
        wrong = np.flatnonzero(~(np.abs(lengths - 1) < NORM_TOLERANCE))
        if len(wrong):
            length = lengths[wrong[0]]
            raise ValueError(
                f"row {wrong[0]} of features has length {length:.4g}, not 1: normalise the rows, or embed again"
            )
        if norms is not None and (norms.shape != lengths.shape or not bool(np.isfinite(norms).all())):
            raise ValueError(f"norms must be {len(features)} finite numbers, not of shape {norms.shape}: embed again")
        self.features, self.norms = features, norms
        self._unevenness = float(np.abs(lengths - 1).max())
        self._columns: Rows | None = None
        self.metric: Metric = "cosine"
        if metric != "cosine":
            self.metric = self.by(metric).metric

    def __len__(self) -> int:
        return len(self.features)

    @property
    def memory_bytes(self) -> int:
        """Of the copy in columns; none where the bank is a memory map alone."""
        return 0 if self._columns is None else self._columns.nbytes

    def by(self, metric: Metric) -> Self:
        """The same bank by another metric.

        Raises:
            ValueError: Euclidean distances need norms, and the bank has none.
        """
        if metric == "euclidean" and self.norms is None:
            raise ValueError(
                "this bank holds directions without lengths, so it knows no Euclidean distance: embed again"
            )
        other = copy.copy(self)
        other.metric = metric
        return other

    def in_columns(self) -> Self:
        """Copy the bank into memory dimension by dimension: that is read in half the time, and costs as much as the bank."""
        columns = np.empty(self.features.shape[::-1], np.float32)
        for start in range(0, len(self), ROWS_AT_ONCE):
            columns[:, start : start + ROWS_AT_ONCE] = self.features[start : start + ROWS_AT_ONCE].T
        self._columns = columns
        return self

    def vectors(self, rows: NDArray[np.int64]) -> Rows:
        """Rows as the metric sees them: of unit length, or as the encoder gave them; float32, shape (n, D)."""
        if self.metric == "cosine" or self.norms is None:
            return self.features[rows]
        return self.features[rows] * self.norms[rows][:, None]

    @property
    def scale(self) -> float:
        """A factor that brings every row as the metric sees it into the unit ball, whatever its length; the order stays."""
        if self.metric == "cosine" or self.norms is None:
            return 1.0
        return 1 / max(float(self.norms.max()), float(np.finfo(np.float32).tiny))

    def scaled(self, start: int, stop: int) -> Rows:
        """Rows times ``scale``, for engines of few bits."""
        return self.vectors(np.arange(start, min(stop, len(self)))) * np.float32(self.scale)

    def scaled_query(self, query: Rows) -> Rows:
        """A query to compare with ``scaled`` rows by Euclidean distance; on the unit sphere that orders as the cosine does."""
        factor = 1 / float(np.linalg.norm(query)) if self.metric == "cosine" else self.scale
        return (query * factor).astype(np.float32)

    def search(self, query: Rows, k: int, exclude: Collection[int] | None = None, among: Mask | None = None) -> Found:
        """The ``k`` nearest images, as brute force in float64 finds them.

        Args:
            query: float32, shape (D,); by cosine of any length but 0.
            k: How many; fewer come back when fewer are left.
            exclude: Indices that must not be found, such as the query's own.
            among: Shape (N,), True where an image may be found; all may by default.

        Raises:
            ValueError: ``k`` is below 1, the query has another dimension, is not finite or has no direction, or ``exclude``
                names an index outside the bank.
        """
        excluded = np.fromiter(exclude or (), dtype=np.int64)
        self.check(query, k, excluded)
        if among is None:
            return self._of_all(query, k, np.unique(excluded))
        allowed = among.copy()
        allowed[excluded] = False
        rows = np.flatnonzero(allowed)
        if len(rows) < FEW * len(self):
            return self.rank(query, k, rows)
        return self._of_all(query, k, np.flatnonzero(~allowed))

    def rank(self, query: Rows, k: int, rows: NDArray[np.int64]) -> Found:
        """The ``k`` nearest of the images ``rows``, ascending: their scores in float64, every pair of equal rows alike."""
        target = query.astype(np.float64)
        if self.metric == "cosine":
            target /= np.linalg.norm(target)
        scores = np.empty(len(rows))
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            scores[part] = self._scores(target, rows[part])
        order = np.argsort(scores if self.metric == "euclidean" else -scores, kind="stable")[:k]
        return Found(rows[order], scores[order], self.name)

    def cosines(self, query: Rows, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Cosine similarity of a query with some rows, whatever the metric; 0 where the query has no direction."""
        target = query.astype(np.float64)
        target /= max(float(np.linalg.norm(target)), float(np.finfo(np.float64).tiny))
        return self.by("cosine")._scores(target, rows)

    def check(self, query: Rows, k: int, excluded: NDArray[np.int64]) -> None:
        """Refuse what cannot be searched for; see ``search``."""
        if k < 1:
            raise ValueError(f"k is {k}, but at least one neighbour must be asked for")
        if query.shape != self.features.shape[1:]:
            raise ValueError(
                f"the query has shape {query.shape} but the bank holds {self.features.shape[1]} dimensions: "
                "use the encoder that made the bank"
            )
        norm = float(np.linalg.norm(query))
        if not np.isfinite(norm) or (norm == 0 and self.metric == "cosine"):
            raise ValueError("the query is zero or not finite, so it has no direction")
        if len(excluded) and not (excluded.min() >= 0 and excluded.max() < len(self)):
            raise ValueError(
                f"exclude names {excluded.min()} to {excluded.max()} but the bank holds {len(self)} images"
            )

    def _of_all(self, query: Rows, k: int, hidden: NDArray[np.int64]) -> Found:
        """A pass in float32 over the whole bank leaves few that may be among the nearest; those are ranked in float64."""
        k = min(k, len(self) - len(hidden))
        if k == 0:
            return Found(np.empty(0, np.int64), np.empty(0), self.name)
        nearness, error = self._nearness(query)
        nearness[hidden] = -np.inf
        worst = np.partition(nearness, len(nearness) - k)[len(nearness) - k]
        return self.rank(query, k, np.flatnonzero(nearness >= worst - 2 * error))

    def _nearness(self, query: Rows) -> tuple[Rows, float]:
        """For every row a number that is larger the nearer it is, and by how much rounding may have moved it."""
        # |u.v - computed| <= D * rounding * |u| |v|, whatever the order of the sum; Higham 2002, Accuracy and Stability, eq. 3.5.
        error = (len(query) + 8) * ROUNDING
        if self.metric == "cosine" or self.norms is None:
            return self._dot((query / np.linalg.norm(query)).astype(np.float32)), error + self._unevenness
        # |q - n u|^2 = |q|^2 - (2 n u.q - n^2), of which only the bracket changes from row to row.
        nearness = self._dot(query)
        nearness *= 2
        nearness -= self.norms
        nearness *= self.norms
        longest = float(self.norms.max())
        return nearness, 2 * error * longest * (2 * float(np.linalg.norm(query)) + longest)

    def _dot(self, query: Rows) -> Rows:
        products: Rows = self.features @ query if self._columns is None else query @ self._columns
        return products

    def _scores(self, target: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        vectors = self.features[rows].astype(np.float64)
        if self.metric == "cosine" or self.norms is None:
            # Rows of float32 are of unit length to seven digits only.
            lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
            cosine: NDArray[np.float64] = np.einsum("nd,d->n", vectors, target) / lengths
            return cosine.clip(-1, 1)
        vectors *= self.norms[rows][:, None]
        vectors -= target
        distance: NDArray[np.float64] = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
        return distance


def open_index(bank: Path) -> Index:
    """An index over a bank's features, left on disk, and over their norms where they are kept.

    Raises:
        OSError: there is no bank.
        ValueError: it is none.
    """
    norms = norms_beside(bank)
    return Index(
        np.load(bank, mmap_mode="r", allow_pickle=False),
        np.load(norms, allow_pickle=False) if norms.exists() else None,
    )


def combined(features: Rows, like: Sequence[int], unlike: Sequence[int] = ()) -> Rows:
    """A query, float32 of shape (D,), for what some images have in common and others have not: the difference of their means.

    Args:
        features: float32, shape (N, D), rows of unit length.
        like: Indices of images to be found like, one at least.
        unlike: Indices of images to keep away from.

    Raises:
        ValueError: ``like`` is empty, or the two means are the same.

    Source: relevance feedback; Rocchio 1971, in The SMART Retrieval System, 313-323.
    """
    if not like:
        raise ValueError("a query needs an image that others are to be like")
    query: Rows = features[list(like)].mean(axis=0)
    if unlike:
        query = query - features[list(unlike)].mean(axis=0)
    if float(np.linalg.norm(query)) < NORM_TOLERANCE:
        raise ValueError(
            "the images to be like and unlike are the same to this encoder, so nothing is left to look for"
        )
    return query


def precision_at_k(label: int, found: NDArray[np.int64]) -> float | None:
    """Share of ``found`` labels equal to ``label``; None where the query (-1) or every hit has no label.

    Unlabelled hits (-1) count neither for nor against.
    """
    labelled = found[found >= 0]
    if label < 0 or len(labelled) == 0:
        return None
    return float((labelled == label).mean())


def average_precision(label: int, found: NDArray[np.int64], relevant: int) -> float | None:
    """Mean, over the hits of the query's class, of the precision where they stand; one that was not found counts 0.

    Args:
        label: Of the query; -1 where it has none.
        found: Labels of the hits, the nearest first; unlabelled ones (-1) count neither for nor against.
        relevant: Images of the class that could be found; of more than there are hits, as many as there are hits.

    Returns:
        In [0, 1]; None without a label, or where there is nothing to find. Of all images it is the average precision of
        Manning et al. 2008, Introduction to Information Retrieval, 8.4.
    """
    labelled = found[found >= 0]
    if label < 0 or relevant < 1 or len(labelled) == 0:
        return None
    same = labelled == label
    precision = same.cumsum() / np.arange(1, len(same) + 1)
    return float((precision * same).sum() / min(relevant, len(same)))
