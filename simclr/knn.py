"""Classification by the nearest labelled neighbours."""

import torch
from torch import Tensor
from torch.nn import functional

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
