"""Which engine answers a search: the exact one for what is read quickly, a graph or the database above, or the one asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backend.catalogue import vectors
from backend.catalogue.engine import Catalogue
from backend.proposers import Proposers, Source
from backend.settings import Settings
from simclr.approximate import Approximate
from simclr.hnsw import graph_beside, read
from simclr.hnsw_builder import build_in_child
from simclr.index import Engine, Index, open_index

EngineName = Literal["exact", "hnsw", "pgvector"]
Asked = Literal["auto", "exact", "hnsw", "pgvector"]

NO_PGVECTOR = "The catalogue is not in PostgreSQL, so there is no pgvector"


@dataclass(frozen=True)
class Chosen:
    """An engine for one bank and metric; ``note`` says why it is not the one that was asked for, empty where it is.

    ``is_coming`` says that the one that was asked for is being made, and will answer later.
    """

    engine: Engine
    note: str = ""
    is_coming: bool = False


class NoEngine(ValueError):
    """The engine that was asked for is none of this lab's; the message is a sentence that names the remedy."""


class SearchEngines:
    """Chooses engines, and sees to it that what they need is made."""

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self._settings, self._catalogue = settings, catalogue
        self._proposers = Proposers()

    def choose(self, asked: Asked, bank: Path, bank_id: str, exact: Index) -> Chosen:
        """The engine for a bank by the metric of ``exact``; while what it needs is being made, the exact one.

        Raises:
            NoEngine: it was asked for by name, and this lab has it not.
        """
        if asked != "auto" and asked not in self.here():
            raise NoEngine(f"{NO_PGVECTOR}: search by {' or '.join(self.here())}.")
        name = self.automatic(len(exact)) if asked == "auto" else asked
        if name == "exact":
            return Chosen(exact)
        if name not in self.here():
            return Chosen(exact, f"{NO_PGVECTOR}: all images were read.")
        source = self._graph(bank, exact) if name == "hnsw" else self._table(bank, bank_id, exact)
        proposer, reason, is_coming = self._proposers.ask(source)
        if proposer is None:
            return Chosen(exact, f"{reason[:1].upper()}{reason[1:]}; all images were read.", is_coming)
        return Chosen(Approximate(exact, proposer))

    def open_index(self, bank: Path) -> Index:
        """The exact engine over a bank, in memory where that one will answer its searches, else left on disk."""
        exact = open_index(bank)
        return exact.in_columns() if self.automatic(len(exact)) == "exact" else exact

    def stop(self) -> None:
        self._proposers.stop()

    def here(self) -> list[EngineName]:
        """The engines that this lab has."""
        return ["exact", "hnsw", "pgvector"] if vectors.is_possible(self._catalogue) else ["exact", "hnsw"]

    def automatic(self, n: int) -> EngineName:
        """The engine of a bank of ``n`` rows where none is asked for."""
        wanted = self._settings.search_engine
        if wanted != "auto":
            return wanted
        if n <= self._settings.search_exact_up_to:
            return "exact"
        return "pgvector" if vectors.is_possible(self._catalogue) else "hnsw"

    def _graph(self, bank: Path, exact: Index) -> Source:
        return Source(
            key=("hnsw", bank, exact.metric),
            open=lambda: read(graph_beside(bank, exact.metric), exact),
            make=lambda should_stop: build_in_child(bank, exact.metric, should_stop),
            what="the HNSW graph of these embeddings",
        )

    def _table(self, bank: Path, bank_id: str, exact: Index) -> Source:
        table = vectors.VectorTable(self._catalogue, vectors.table_name(bank_id, bank.stem, exact.metric))
        return Source(
            key=("pgvector", table.name_in_database),
            open=lambda: table.open(exact),
            make=lambda _should_stop: table.make(exact),
            what="the table of these embeddings in PostgreSQL",
        )
