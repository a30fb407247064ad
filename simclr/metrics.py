"""Measures of features and of predictions."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from simclr.index import precision_at_k

__all__ = ["accuracy", "knn_scores", "precision_at_k", "roc_auc", "wilson_interval"]

# Two-sided 95 % quantile of the normal distribution.
Z_95 = 1.959963984540054
# Queries compared at a time: 1,024 × 50,000 similarities are 200 MB.
QUERY_CHUNK = 1024


def knn_scores(bank: Tensor, labels: Tensor, queries: Tensor, *, classes: int, k: int, temperature: float) -> Tensor:
    """Share of the vote that each class gets among a query's nearest neighbours by cosine similarity.

    Args:
        bank: Labelled features, float, shape (N, D); normalised here.
        labels: Their classes, int64, shape (N,), in [0, ``classes``).
        queries: Features to classify, float, shape (M, D); normalised here.
        classes: How many classes there are.
        k: Neighbours that vote; at most N are used.
        temperature: A neighbour of similarity s has exp(s / temperature) votes.

    Returns:
        float32, shape (M, classes), rows sum to 1.

    Raises:
        ValueError: ``bank`` is empty or its dimensions differ from ``queries``'.

    Source: Wu et al. 2018, arXiv:1805.01978, sec. 3.4.
    """
    if len(bank) == 0 or bank.shape[1:] != queries.shape[1:]:
        raise ValueError(f"a bank of shape {tuple(bank.shape)} cannot classify queries of {tuple(queries.shape)}")
    bank = functional.normalize(bank.float(), dim=1)
    queries = functional.normalize(queries.float(), dim=1)
    scores = torch.zeros(len(queries), classes, device=queries.device)
    for start in range(0, len(queries), QUERY_CHUNK):
        rows = slice(start, start + QUERY_CHUNK)
        similarity, nearest = (queries[rows] @ bank.T).topk(min(k, len(bank)), dim=1)
        # A softmax is the vote divided by its sum, without overflow at low temperatures.
        scores[rows].scatter_add_(1, labels[nearest], (similarity / temperature).softmax(dim=1))
    return scores


def accuracy(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Share of rows of ``scores``, (N, classes), whose largest entry, the first of equals, is at the label."""
    return float((scores.argmax(axis=1) == labels).mean())


def wilson_interval(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share of ``hits`` among ``n``, sensible also near 0 and 1 and for few images.

    Raises:
        ValueError: ``n`` is below 1 or ``hits`` is not in [0, n].

    Source: Wilson 1927, J. Am. Stat. Assoc. 22, 209-212.
    """
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n} is no share")
    share, z2 = hits / n, Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def roc_auc(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> float | None:
    """Area under the ROC curve of two classes; None for more classes, or where only one of the two occurs.

    Args:
        scores: Shape (N, classes); the second column's share ranks the images.
        labels: int64, shape (N,).
    """
    if scores.shape[1] != 2 or len(np.unique(labels)) != 2:
        return None
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores[:, 1]))
