"""A hierarchical navigable small world over a bank, by faiss, kept beside it.

Source: Malkov and Yashunin 2020, IEEE TPAMI 42, 824-836. Vectors in it are float16: half the memory, and faster to compare;
whoever asks ranks what is proposed by the bank's own float32.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simclr.approximate import Recall, Sample
from simclr.index import Index, Mask, Metric, Rows
from simclr.runs import writing

# Links of a node, and how many candidates are looked at when it is linked. Faiss's own 40 takes less than half the time, but in
# tight clusters its graphs lose neighbours that no wide search finds again: recall@10 of 100,000 vectors in 100 clusters was
# 0.936 at a breadth of 128, instead of 1.000.
LINKS, BREADTH_OF_BUILDING = 16, 100
# How many candidates a search keeps: the fewest with which RECALL_WANTED is reached.
BREADTHS = (32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
RECALL_WANTED = 0.97
QUERIES = 200
ROWS_AT_ONCE = 20_000
FINGERPRINTED = 64
# A file is this, facts as JSON, a line's end, and what faiss wrote.
MARK = b"simclr hnsw 1 "


class Damaged(ValueError):
    """A kept graph does not hold what was written, or belongs to another bank."""


@dataclass(frozen=True)
class Facts:
    """What is known of a graph beside its bytes; ``bank`` is a fingerprint of the bank it was built on."""

    sha256: str
    bank: str
    metric: Metric
    breadth: int
    recall: Recall
    seconds: float


class Hnsw:
    """A graph in memory; many threads may ask it."""

    name = "hnsw"

    def __init__(self, graph: Any, facts: Facts) -> None:
        self._graph, self.facts = graph, facts

    @property
    def recall(self) -> Recall:
        return self.facts.recall

    def propose(self, query: Rows, count: int, among: Mask | None, share: float) -> NDArray[np.int64]:
        """See ``simclr.approximate.Proposer``; the fewer may be found, the more of the graph is walked."""
        import faiss

        breadth = int(max(self.facts.breadth, 2 * count) / share)
        # The bits must outlive the search.
        bits = None if among is None else np.packbits(among, bitorder="little")
        selector = None if bits is None else faiss.IDSelectorBitmap(bits)
        asked = faiss.SearchParametersHNSW(efSearch=breadth, sel=selector)
        _, rows = self._graph.search(query[None], max(count, self.facts.breadth), params=asked)
        found: NDArray[np.int64] = rows[0][rows[0] >= 0]
        return found


def graph_beside(bank: Path, metric: Metric) -> Path:
    """Where the graph over a bank is kept."""
    return bank.with_suffix(f".{metric}.hnsw")


def build(exact: Index, on_rows: Callable[[int], None] = lambda _done: None) -> Hnsw:
    """Link all rows of a bank by its metric, choose how widely to search, and measure the recall on other queries.

    Some minutes for a million rows; all threads that OpenMP is allowed work on it.
    """
    import faiss

    began = time.monotonic()
    graph = faiss.IndexHNSWSQ(exact.features.shape[1], faiss.ScalarQuantizer.QT_fp16, LINKS, faiss.METRIC_L2)
    graph.hnsw.efConstruction = BREADTH_OF_BUILDING
    graph.train(exact.scaled(0, 1))
    for start in range(0, len(exact), ROWS_AT_ONCE):
        on_rows(start)
        graph.add(exact.scaled(start, start + ROWS_AT_ONCE))
    on_rows(len(exact))
    facts = Facts("", fingerprint(exact), exact.metric, BREADTHS[0], Recall(0.0, 0, 0), 0.0)
    made = _wide_enough(exact, Hnsw(graph, facts))
    recall = Sample.draw(exact, QUERIES, seed=1).recall(exact, made)
    return Hnsw(graph, replace(made.facts, recall=recall, seconds=time.monotonic() - began))


def write(made: Hnsw, path: Path) -> None:
    """Keep a graph; a reader sees the whole of it or nothing.

    Raises:
        DiskFull: it does not fit.
    """
    import faiss

    content = faiss.serialize_index(made._graph)
    facts = replace(made.facts, sha256=hashlib.sha256(content.data).hexdigest())
    with writing(path, content.nbytes) as temporary, temporary.open("wb") as file:
        file.write(MARK + json.dumps(asdict(facts)).encode() + b"\n")
        file.write(content.data)


def read(path: Path, exact: Index) -> Hnsw:
    """The graph that is kept for a bank.

    Raises:
        FileNotFoundError: none is.
        Damaged: the file is not what was written, or was written for another bank or metric.
    """
    import faiss

    kept = np.memmap(path, np.uint8, "r")
    line = kept[:4096].tobytes().partition(b"\n")[0]
    try:
        facts = _facts(line)
    except (ValueError, TypeError, KeyError):
        raise Damaged(f"{path.name} has no readable beginning") from None
    content = kept[len(line) + 1 :]
    if hashlib.sha256(content.data).hexdigest() != facts.sha256:
        raise Damaged(f"{path.name} is cut off or damaged")
    if (facts.bank, facts.metric) != (fingerprint(exact), exact.metric):
        raise Damaged(f"{path.name} belongs to another bank")
    return Hnsw(faiss.deserialize_index(np.array(content)), facts)


def fingerprint(exact: Index) -> str:
    """Of a bank's shape and of some rows over its whole length, as its metric sees them."""
    rows = np.linspace(0, len(exact) - 1, FINGERPRINTED).astype(np.int64)
    return hashlib.sha256(repr(exact.features.shape).encode() + exact.vectors(rows).tobytes()).hexdigest()


def _facts(line: bytes) -> Facts:
    if not line.startswith(MARK):
        raise ValueError("no mark")
    told = json.loads(line[len(MARK) :])
    return Facts(**{**told, "recall": Recall(**told["recall"])})


def _wide_enough(exact: Index, graph: Hnsw) -> Hnsw:
    sample = Sample.draw(exact, QUERIES, seed=0)
    for breadth in BREADTHS:
        graph = Hnsw(graph._graph, replace(graph.facts, breadth=breadth))
        if sample.recall(exact, graph).value >= RECALL_WANTED:
            break
    return graph
