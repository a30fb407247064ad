"""Embeddings in PostgreSQL, where an index of the extension pgvector finds neighbours for all processes of a lab.

A bank has a table for each metric in a schema of their own, beside the catalogue's. It is made in one transaction, so it is
there as a whole or not at all; what is known of it, such as its recall, is its comment. Rows are halfvec; what is found is ranked
by the bank's own float32.
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError

from backend.catalogue.engine import Catalogue
from backend.catalogue.models import BankRow
from simclr.approximate import Recall, Sample
from simclr.hnsw import BREADTHS, QUERIES, RECALL_WANTED, Damaged, fingerprint
from simclr.index import Index, Mask, Metric, Rows

SCHEMA = "neighbours"
# What an index on halfvec can hold, and the widest search that hnsw.ef_search allows.
MOST_DIMENSIONS, WIDEST = 4000, 1000
ROWS_AT_ONCE = 20_000
MEMORY = "512MB"
# For the transaction alone. Beyond the widest search the index goes on from where it stopped; PostgreSQL holds a pass over all
# rows of a small table for cheaper than the index, which would be another engine.
SEARCHING = (
    "SELECT set_config('hnsw.ef_search', :breadth, true), set_config('hnsw.iterative_scan', 'relaxed_order', true), "
    "set_config('enable_seqscan', 'off', true)"
)
COPY_BEGIN, COPY_END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"


class NoVectors(ValueError):
    """PostgreSQL cannot do it; the message is a sentence that names the remedy."""


@dataclass(frozen=True)
class TableFacts:
    """What is known of a table: which bank it holds, how widely it is searched, and what that finds."""

    bank: str
    breadth: int
    recall: Recall
    seconds: float


def is_possible(catalogue: Catalogue) -> bool:
    """Whether the catalogue is one that may have the extension."""
    return catalogue.engine.dialect.name == "postgresql"


def table_name(bank_id: str, stem: str, metric: Metric) -> str:
    """Of the file ``stem`` of a bank."""
    return f"bank_{bank_id}_{stem}_{metric}"


class VectorTable:
    """One table, whether it is there or not."""

    name = "pgvector"

    def __init__(self, catalogue: Catalogue, name: str, facts: TableFacts | None = None) -> None:
        self._catalogue, self.name_in_database, self._facts = catalogue, name, facts

    @property
    def recall(self) -> Recall:
        return self._known.recall

    def open(self, exact: Index) -> "VectorTable":
        """This table, ready to be asked.

        Raises:
            FileNotFoundError: it was not made yet.
            Damaged: it holds another bank.
        """
        with self._catalogue.engine.connect() as connection:
            comment = connection.scalar(
                text("SELECT obj_description(to_regclass(:name), 'pg_class')"), {"name": self._quoted}
            )
        if comment is None:
            raise FileNotFoundError(self.name_in_database)
        told = json.loads(comment)
        facts = TableFacts(**{**told, "recall": Recall(**told["recall"])})
        if facts.bank != fingerprint(exact):
            raise Damaged(f"{self.name_in_database} holds other embeddings")
        return VectorTable(self._catalogue, self.name_in_database, facts)

    def propose(self, query: Rows, count: int, among: Mask | None, share: float) -> NDArray[np.int64]:
        """See ``simclr.approximate.Proposer``. PostgreSQL knows no ``among``: more are asked for, and some left out here."""
        with self._catalogue.engine.begin() as connection:
            rows = self._nearest(connection, query, count, share)
        return rows if among is None else rows[among[rows]]

    def make(self, exact: Index) -> None:
        """Fill the table from a bank and build its index, unless another process does so.

        Raises:
            NoVectors: there is no extension, or it cannot index this bank.
        """
        began = time.monotonic()
        if exact.features.shape[1] > MOST_DIMENSIONS:
            raise NoVectors(f"pgvector indexes {MOST_DIMENSIONS:,} dimensions at most, not {exact.features.shape[1]:,}")
        self._install()
        # Long, and without a statement meanwhile: it must not be inside of the transaction.
        choosing, telling = (Sample.draw(exact, QUERIES, seed) for seed in (0, 1))
        with self._catalogue.engine.begin() as connection:
            if not connection.scalar(
                text("SELECT pg_try_advisory_xact_lock(hashtext(:name))"), {"name": self.name_in_database}
            ):
                raise NoVectors("another process is filling the table of these embeddings")
            self._drop_orphans(connection)
            self._fill(connection, exact)
            facts = TableFacts(fingerprint(exact), BREADTHS[0], Recall(0.0, 0, 0), 0.0)
            facts = self._wide_enough(connection, exact, facts, choosing)
            facts = replace(facts, recall=telling.recall(exact, self._within(connection, facts)))
            facts = replace(facts, seconds=time.monotonic() - began)
            comment = json.dumps(asdict(facts))
            connection.execute(text(f"COMMENT ON TABLE {self._quoted} IS '{comment}'"))

    @property
    def _known(self) -> TableFacts:
        if self._facts is None:
            raise ValueError(f"{self.name_in_database} was not opened")
        return self._facts

    @property
    def _quoted(self) -> str:
        return f'{SCHEMA}."{self.name_in_database}"'

    def _install(self) -> None:
        with self._catalogue.engine.begin() as connection:
            if not connection.scalar(text("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")):
                raise NoVectors("this PostgreSQL has no pgvector: install the extension on its server")
            try:
                connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
                connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
            except DBAPIError as refusal:
                reason = str(refusal.orig).partition("\n")[0]
                raise NoVectors(f"pgvector cannot be used, {reason}") from None

    def _drop_orphans(self, connection: Connection) -> None:
        """Tables of banks that others took the place of, and this one, should it be there."""
        tables = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = :s"), {"s": SCHEMA}).all()
        banks = tuple(f"bank_{bank}_" for bank in connection.scalars(select(BankRow.id)))
        for table in tables:
            if table == self.name_in_database or not table.startswith(banks):
                connection.execute(text(f'DROP TABLE {SCHEMA}."{table}"'))

    def _fill(self, connection: Connection, exact: Index) -> None:
        d = exact.features.shape[1]
        connection.execute(text(f"CREATE TABLE {self._quoted} (row integer NOT NULL, features halfvec({d}) NOT NULL)"))
        cursor = connection.connection.cursor()
        with cursor.copy(f"COPY {self._quoted} FROM STDIN WITH (FORMAT BINARY)") as copy:
            for part in _binary(exact):
                copy.write(part)
        connection.execute(text(f"SET LOCAL maintenance_work_mem = '{MEMORY}'"))
        connection.execute(text(f"CREATE INDEX ON {self._quoted} USING hnsw (features halfvec_l2_ops)"))

    def _nearest(self, connection: Connection, query: Rows, count: int, share: float) -> NDArray[np.int64]:
        asked = math.ceil(max(self._known.breadth, 2 * count) / share)
        connection.execute(text(SEARCHING), {"breadth": str(min(asked, WIDEST))})
        statement = f"SELECT row FROM {self._quoted} ORDER BY features <-> CAST(:query AS halfvec) LIMIT :asked"  # noqa: S608
        found = connection.scalars(text(statement), {"query": _as_text(query), "asked": asked}).all()
        return np.array(found, dtype=np.int64)

    def _within(self, connection: Connection, facts: TableFacts) -> "_Within":
        return _Within(connection, VectorTable(self._catalogue, self.name_in_database, facts))

    def _wide_enough(self, connection: Connection, exact: Index, facts: TableFacts, sample: Sample) -> TableFacts:
        for breadth in BREADTHS:
            facts = replace(facts, breadth=min(breadth, WIDEST))
            if sample.recall(exact, self._within(connection, facts)).value >= RECALL_WANTED:
                break
        return facts


class _Within:
    """A table inside of the transaction that makes it."""

    name = "pgvector"
    recall = Recall(0.0, 0, 0)

    def __init__(self, connection: Connection, table: VectorTable) -> None:
        self._connection, self._table = connection, table

    def propose(self, query: Rows, count: int, _among: Mask | None, share: float) -> NDArray[np.int64]:
        return self._table._nearest(self._connection, query, count, share)


def _binary(exact: Index) -> Iterator[bytes]:
    """Rows as COPY reads them: counts and lengths before every value, most significant byte first."""
    n, d = exact.features.shape
    vector = 4 + 2 * d
    head = {"fields": ">i2", "row_bytes": ">i4", "row": ">i4", "vector_bytes": ">i4", "d": ">i2", "unused": ">i2"}
    layout = np.dtype([*head.items(), ("features", ">f2", (d,))])
    yield COPY_BEGIN
    for start in range(0, n, ROWS_AT_ONCE):
        features = exact.scaled(start, start + ROWS_AT_ONCE)
        block = np.zeros(len(features), layout)
        block["fields"], block["row_bytes"], block["vector_bytes"], block["d"] = 2, 4, vector, d
        block["row"] = np.arange(start, start + len(features))
        block["features"] = features
        yield block.tobytes()
    yield COPY_END


def _as_text(query: Rows) -> str:
    return f"[{','.join(f'{value:.6g}' for value in query.tolist())}]"
