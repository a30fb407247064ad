"""An engine for banks too large to read for every question: something proposes neighbours, and they are scored exactly.

Whatever proposes, an HNSW graph in memory or a database, may miss some. So how many it misses is measured, and questions that it
would answer badly are left to the exact engine.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from simclr.index import Found, Index, Mask, Metric, Rows

AT = 10
# Where a filter leaves less than this share, or number, the graph leads past them, and they are read quickly.
FEWEST_SHARE, FEWEST = 1 / 16, 10_000


@dataclass(frozen=True)
class Recall:
    """Which share of the ``at`` nearest is found, without filters: a mean over ``queries`` random rows of the bank."""

    value: float
    at: int
    queries: int


class Proposer(Protocol):
    """Names rows that are likely to be the nearest."""

    @property
    def name(self) -> str: ...

    @property
    def recall(self) -> Recall: ...

    def propose(self, query: Rows, count: int, among: Mask | None, share: float) -> NDArray[np.int64]:
        """At least ``count`` rows if it finds as many, in any order; of ``among``, which allows a ``share`` of all.

        ``query`` is what ``Index.scaled_query`` makes of a query.
        """
        ...


class Approximate:
    """Searches a bank through what a proposer names."""

    def __init__(self, exact: Index, proposer: Proposer) -> None:
        self.exact, self.proposer = exact, proposer

    @property
    def name(self) -> str:
        return self.proposer.name

    @property
    def metric(self) -> Metric:
        return self.exact.metric

    @property
    def recall(self) -> Recall:
        return self.proposer.recall

    def search(self, query: Rows, k: int, exclude: Collection[int] | None = None, among: Mask | None = None) -> Found:
        """The ``k`` nearest images, most likely; their scores are exact. Arguments and errors are those of ``Index.search``.

        Never fewer than ``Index.search`` finds: where few may be found, or too few were proposed, that one searches.
        """
        excluded = np.unique(np.fromiter(exclude or (), dtype=np.int64))
        self.exact.check(query, k, excluded)
        n = len(self.exact)
        allowed = n if among is None else int(np.count_nonzero(among))
        if allowed < n and allowed < max(FEWEST_SHARE * n, FEWEST):
            why = f"only {allowed:,} of {n:,} images may be found, which the exact engine reads quickly"
            return self.exact.search(query, k, exclude, among)._replace(note=why)
        rows = self.proposer.propose(self.exact.scaled_query(query), k + len(excluded), among, allowed / n)
        # What proposes may know less of what is allowed than this array.
        rows = np.setdiff1d(rows, excluded)
        rows = rows if among is None else rows[among[rows]]
        left = allowed - (len(excluded) if among is None else int(np.count_nonzero(among[excluded])))
        if len(rows) < min(k, left):
            why = f"{self.name} proposed only {len(rows)} images, so all were read"
            return self.exact.search(query, k, exclude, among)._replace(note=why)
        return self.exact.rank(query, k, rows)._replace(engine=self.name)


@dataclass(frozen=True)
class Sample:
    """Rows of a bank as queries, with their true neighbours, themselves left out: int64, shapes (Q,) and (Q, at)."""

    queries: NDArray[np.int64]
    nearest: NDArray[np.int64]

    @classmethod
    def draw(cls, exact: Index, queries: int, seed: int) -> "Sample":
        """At random; of a small bank all rows. Takes a pass over the bank for every query."""
        chosen = np.random.default_rng(seed).permutation(len(exact))[:queries]
        at = min(AT, len(exact) - 1)
        found = [exact.search(query, at, {row}).indices for row, query in _each(exact, chosen)]
        return cls(chosen, np.stack(found))

    def recall(self, exact: Index, proposer: Proposer) -> Recall:
        """How many of the true neighbours are found through ``proposer``."""
        at = self.nearest.shape[1]
        shares = []
        for (row, query), nearest in zip(_each(exact, self.queries), self.nearest, strict=True):
            rows = np.setdiff1d(proposer.propose(exact.scaled_query(query), at + 1, None, 1.0), [row])
            found = exact.rank(query, at, rows).indices if len(rows) else rows
            shares.append(len(np.intersect1d(found, nearest)) / at)
        return Recall(float(np.mean(shares)), at, len(shares))


def _each(exact: Index, rows: NDArray[np.int64]) -> Iterator[tuple[int, Rows]]:
    return ((int(row), exact.vectors(rows[place : place + 1])[0]) for place, row in enumerate(rows))
