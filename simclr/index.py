"""Cosine neighbours over a bank of embeddings, exact, with NumPy alone."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Norms of float32 rows are 1 to about 1e-7 times the square root of the dimension.
NORM_TOLERANCE = 1e-3


def norms_beside(bank: Path) -> Path:
    """Where the lengths that a bank's rows had before they were made 1 are kept: float32, shape (N,)."""
    return bank.with_suffix(".norms.npy")


class Index:
    """Exact search over N embeddings of unit length; one matrix-vector product a query."""

    def __init__(self, features: NDArray[np.float32]) -> None:
        """Keep ``features``, float32 of shape (N, D), rows of unit length; may be a memory map.

        Raises:
            ValueError: another dtype or shape, no rows, or rows of another length.
        """
        if features.ndim != 2 or features.dtype != np.float32 or len(features) == 0:
            raise ValueError(
                f"features must be float32 of shape (N, D), N > 0, not {features.dtype} of {features.shape}"
            )
        norms = np.sqrt(np.einsum("nd,nd->n", features, features))
        wrong = np.flatnonzero(~(np.abs(norms - 1) < NORM_TOLERANCE))
        if len(wrong):
            raise ValueError(
                f"row {wrong[0]} of features has length {norms[wrong[0]]:.4g}, not 1: normalise the rows, or embed again"
            )
        self.features = features

    def __len__(self) -> int:
        return len(self.features)

    def search(
        self,
        query: NDArray[np.float32],
        k: int,
        exclude: Collection[int] | None = None,
        among: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The ``k`` nearest images by cosine similarity, nearest first, equally near ones by lower index.

        Args:
            query: float32, shape (D,); any length but 0.
            k: How many; fewer come back when fewer are left.
            exclude: Indices that must not be found, such as the query's own.
            among: Shape (N,), True where an image may be found; all may by default.

        Returns:
            Indices, int64, and similarities in [-1, 1], float32; both of shape (min(k, left),).

        Raises:
            ValueError: ``k`` is below 1, the query has another dimension, is zero or not finite, or ``exclude`` names an
                index outside the bank.
        """
        excluded = np.fromiter(exclude or (), dtype=np.int64)
        self._check(query, k, excluded)
        direction = (query / np.linalg.norm(query)).astype(np.float32)
        similarity = np.clip(self.features @ direction, -1, 1)
        hidden = np.zeros(len(self), bool) if among is None else ~among
        hidden[excluded] = True
        left = len(self) - int(hidden.sum())
        similarity[hidden] = -np.inf
        k = min(k, left)
        if k == 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        worst = np.partition(similarity, len(similarity) - k)[len(similarity) - k]
        # Ascending candidates and a stable sort put the lower of two equal ones first, also at the cut.
        candidates = np.flatnonzero(similarity >= worst)
        found = candidates[np.argsort(-similarity[candidates], kind="stable")[:k]]
        return found, similarity[found]

    def _check(self, query: NDArray[np.float32], k: int, excluded: NDArray[np.int64]) -> None:
        if k < 1:
            raise ValueError(f"k is {k}, but at least one neighbour must be asked for")
        if query.shape != self.features.shape[1:]:
            raise ValueError(
                f"the query has shape {query.shape} but the bank holds {self.features.shape[1]} dimensions: "
                "use the encoder that made the bank"
            )
        norm = float(np.linalg.norm(query))
        if not (np.isfinite(norm) and norm > 0):
            raise ValueError("the query is zero or not finite, so it has no direction")
        if len(excluded) and not (excluded.min() >= 0 and excluded.max() < len(self)):
            raise ValueError(
                f"exclude names {excluded.min()} to {excluded.max()} but the bank holds {len(self)} images"
            )


def combined(features: NDArray[np.float32], like: Sequence[int], unlike: Sequence[int] = ()) -> NDArray[np.float32]:
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
    query: NDArray[np.float32] = features[list(like)].mean(axis=0)
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
