"""What a search answers: hits with labels, how many share the query's class, and which engine found them."""

from collections.abc import Collection
from typing import cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from backend.api.rows import label_of
from backend.search_engines import Chosen, EngineName
from simclr.approximate import Approximate
from simclr.datasets import Dataset, Split
from simclr.datasets.store import SPLITS, UNLABELLED
from simclr.index import Found, Index, Mask, Metric, Rows, average_precision, precision_at_k

Indices = NDArray[np.int64]
# Labels that are read at a time until enough of the query's class are known: a million take a millisecond.
LOOKED_AT = 1 << 15


class QueryOut(BaseModel):
    """The image that was asked for; all null for an uploaded one."""

    index: int | None
    label: int | None
    class_name: str | None


class HitOut(BaseModel):
    """A neighbour: ``similarity`` is the cosine of the angle between the features, in [-1, 1].

    ``distance`` is that of the features as the encoder gives them; null unless the metric is euclidean.
    """

    index: int
    similarity: float
    distance: float | None
    label: int | None
    class_name: str | None
    split: Split


class RecallOut(BaseModel):
    """Which share of the ``at`` nearest an engine finds: a mean over ``queries`` images, measured when it was built."""

    value: float
    at: int
    queries: int


class EngineOut(BaseModel):
    """Who answered, in how many ``milliseconds``. ``recall`` is null of the exact engine, which misses nothing.

    ``note`` says why it is not who was asked; that one ``is_coming`` where it will answer later.
    """

    name: EngineName
    recall: RecallOut | None
    milliseconds: float
    note: str
    is_coming: bool


class EnginesOut(BaseModel):
    """The engines that this lab has, and the one that answers where none is asked for."""

    here: list[EngineName]
    automatic: EngineName


class SearchOut(BaseModel):
    """``precision_at_k``: the share of labelled hits of the query's class.

    ``average_precision``: the mean, over them, of the precision where each stands; those of the class that were not found count
    0, as many as there is room for among the hits. Both are null without labels, or if one class was asked for. There may be
    fewer than ``k`` hits where duplicates are left out.
    """

    k: int
    metric: Metric
    engine: EngineOut
    query: QueryOut
    hits: list[HitOut]
    precision_at_k: float | None
    average_precision: float | None


def hits(dataset: Dataset, exact: Index, query: Rows, found: Found) -> list[HitOut]:
    """What was found, with labels and splits; ``exact`` has the metric by which it was."""
    is_cosine = exact.metric == "cosine"
    similarities = found.scores if is_cosine else exact.cosines(query, found.indices)
    listed = []
    for index, similarity, score in zip(
        found.indices.tolist(), similarities.tolist(), found.scores.tolist(), strict=True
    ):
        label, class_name = label_of(dataset, index)
        listed.append(
            HitOut(
                index=index,
                similarity=similarity,
                distance=None if is_cosine else score,
                label=label,
                class_name=class_name,
                split=SPLITS[dataset.splits[index]],
            )
        )
    return listed


def engine_out(chosen: Chosen, found: Found, took_s: float) -> EngineOut:
    """Who found it in ``took_s`` seconds: the engine chosen may itself have left the question to the exact one."""
    engine, recall = chosen.engine, None
    if isinstance(engine, Approximate) and found.engine == engine.name:
        measured = engine.recall
        recall = RecallOut(value=measured.value, at=measured.at, queries=measured.queries)
    return EngineOut(
        name=cast(EngineName, found.engine),
        recall=recall,
        milliseconds=1000 * took_s,
        note=chosen.note or found.note,
        is_coming=chosen.is_coming,
    )


def precisions(
    dataset: Dataset, label: int, found: Found, among: Mask | None, left_out: Collection[int], kinds: Indices | None
) -> tuple[float | None, float | None]:
    """Precision and average precision of the hits for a query of class ``label``.

    Args:
        dataset: The set.
        label: -1 where the query has none.
        found: The hits.
        among: Which images could be found, if not all.
        left_out: Images of the query, which could not.
        kinds: Where duplicates were left out, the first image of each one's pixels.
    """
    if label == UNLABELLED:
        return None, None
    labels = dataset.labels[found.indices]
    relevant = _relevant(dataset, label, among, left_out, kinds, len(labels))
    return precision_at_k(label, labels), average_precision(label, labels, relevant)


def _relevant(
    dataset: Dataset, label: int, among: Mask | None, left_out: Collection[int], kinds: Indices | None, most: int
) -> int:
    """How many images of a class could be found; of more than ``most`` some number that is no less."""
    step = len(dataset) if kinds is not None else LOOKED_AT
    found = 0
    for start in range(0, len(dataset), step):
        part = slice(start, start + step)
        of_class = dataset.labels[part] == label
        if among is not None:
            of_class &= among[part]
        of_class[[each - start for each in left_out if start <= each < start + step]] = False
        if kinds is not None:
            return len(np.setdiff1d(kinds[of_class], kinds[list(left_out)]))
        found += int(np.count_nonzero(of_class))
        if found >= most:
            break
    return found
